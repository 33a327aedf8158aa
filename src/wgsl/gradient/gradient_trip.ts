import {power} from '../terms/unit.js';
import {each, lines} from '../text/text.js';
import type {Flow} from '../tile/flow.js';
import {hide, type Masked} from '../tile/mask.js';
import {Scoring} from '../tile/scoring.js';
import type {Grid} from '../tile/tile_math.js';
import type {OwnedShape} from './gradient_shape.js';

/**
 * What the trips of all gradient kernels have alike: from scores s<i>_<j> and products t<i>_<j> of value and gradient of the output to gradients of
 * scores. i is own, j met.
 */
export abstract class GradientTrip<Shape extends OwnedShape = OwnedShape> {
  readonly grid: Grid;
  readonly scoring: Scoring;

  /** `met`: how many of the other side an invocation meets at a time. */
  constructor(
    readonly shape: Shape,
    met: number,
  ) {
    const {size, threadsX, threadsY, features} = shape;
    this.grid = {threadsX, threadsY, rows: size / threadsY, keys: met};
    this.scoring = new Scoring(features);
  }

  abstract tile(): Flow[];

  /** What met key (or row) number j is, and brings. */
  protected abstract declareMet(j: number): string;

  /** The scores of a tile, as the mask sees them. */
  get masked(): Masked {
    const {owns, kinds, size} = this.shape;
    return {owns, kinds, clip: this.scoring.clip(kinds), size: 'SIZE', width: size, grid: this.grid};
  }

  /** Query and key of own i and staged j, by the numbers under which they are declared. */
  private pair(i: number, j: number): [query: number, key: number] {
    return this.shape.owns === 'rows' ? [i, j] : [j, i];
  }

  protected scoreGradients(): string {
    const {features, owns, wants} = this.shape;
    const {rows, keys} = this.grid;
    const {keeps} = this.scoring;
    const slopeOf = (i: number, j: number): string =>
      wants === 'features' ? this.scoring.slope(`s${i}_${j}`, ...this.pair(i, j)) : '';
    const all = (text: (i: number, j: number) => string): string => each(rows, (i) => each(keys, (j) => text(i, j)));
    const gradient = (i: number, j: number): string => {
      const [a, b] = this.pair(i, j);
      const [s, t] = [`s${i}_${j}`, `t${i}_${j}`];
      const kept = keeps ? `let kept = ${this.scoring.kept(a, b)}; ` : '';
      const product = keeps ? `${t} * kept` : t;
      const slope = slopeOf(i, j) === '' ? '' : ` * slope${i}_${j}`;
      // What does not attend must bring in no NaN, of its value or of the sum of its row.
      const weight = keeps ? 'p * kept' : 'p';
      return lines(
        `{ ${kept}let hides = ${s} == HIDDEN; let p = exp2(${power(`${s} - stats${a}.x`, features)}) * stats${a}.y;`,
        `${t} = select(p * (${product} - stats${a}.z)${slope}, 0.0, hides);`,
        owns === 'keys' ? `${s} = select(${weight}, 0.0, hides); }` : '}',
      );
    };
    const staged = each(keys, (j) => this.declareMet(j));
    return lines(
      '{',
      staged,
      all((i, j) =>
        lines(
          slopeOf(i, j) === '' ? '' : `let slope${i}_${j} = ${slopeOf(i, j)};`,
          this.scoring.pair(`s${i}_${j}`, ...this.pair(i, j)),
        ),
      ),
      hide(this.masked),
      all(gradient),
      '}',
    );
  }
}
