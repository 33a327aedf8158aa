import {ceilDiv} from '../../support/index.js';
import type {Flow, Region} from '../tile/flow.js';
import {hide} from '../tile/mask.js';
import {addParts, eachColumn, orZeros, overTrips, whereLeft} from '../tile/own_trips.js';
import {numberedKeys} from '../tile/places.js';
import {Scoring} from '../tile/scoring.js';
import type {Share} from '../tile/share.js';
import {ownReads} from '../tile/tile_math.js';
import {power} from '../terms/unit.js';
import type {RowAccess} from '../text/row_access.js';
import {each, lines, tree} from '../text/text.js';
import type {AttendSteps} from './attend_steps.js';
import type {RowShape} from './row_shape.js';

/**
 * The row-wise kernel step by step. The invocations of a row (or of four that share a list of keys) each have some columns of its query, of its keys
 * and of its output, and all of its scores, so nothing is joined at the end. All rows of a workgroup make as many trips, for there are barriers in
 * them; who has no keys left reads its last one again, and who has none at all anything, which nobody writes. No branches around what is read:
 * they keep loads from running ahead (H200, 2026-11-30: random pairs 10 % .65 ms with them).
 *
 * Names in the WGSL: number<j> key of the trip, q<i>_<n>_<e> columns of a query, s<i>_<j> score, m<i> running maximum, l<i> sum, o<i>_<c> output.
 */
export const rowSteps = (share: Share<RowShape>): AttendSteps => new Trip(share).steps();

class Trip {
  private readonly shape: RowShape;
  private readonly scoring: Scoring;

  constructor(private readonly share: Share<RowShape>) {
    this.shape = share.shape;
    this.scoring = new Scoring(this.shape.features, share.productScale);
  }

  steps(): AttendSteps {
    const before = [{name: 'own columns of queries', reads: [], writes: [], code: each(this.share.rows, (i) => this.loadQuery(i))}];
    return {before, tile: [overTrips('y.x', this.shape.parts, (parts) => this.trip(parts))], after: []};
  }

  private trip(parts: readonly Region[]): Flow[] {
    const {rows, keys} = this.share;
    const names = Array.from({length: rows}, (_, i) => this.scoresOf(i));
    const declared = names.map((own) => own.map((name) => `var ${name} = 0.0;`).join(' '));
    const numbers = numberedKeys(this.shape.kinds, keys);
    const early = this.loadsEarly ? each(keys, (j) => this.loadValue(j)) : '';
    return [
      ...addParts(
        this.shape,
        this.share,
        parts,
        names,
        lines(numbers, early, ...declared, '{', this.loadKeys(), this.products(), '}'),
      ),
      {
        name: 'probabilities and values',
        reads: [],
        writes: [],
        code: this.shape.branches ? whereLeft('y.y', this.attend()) : this.attend(),
      },
    ];
  }

  /** Values wait in registers for their probabilities, where they are few. */
  private get loadsEarly(): boolean {
    const {rows, value} = this.share;
    return rows === 1 && ceilDiv(value.columns, this.shape.threadsX) <= 2;
  }

  private scoresOf(i: number): string[] {
    return Array.from({length: this.share.keys}, (_, j) => `s${i}_${j}`);
  }

  /** The columns of a query that meet those of keys which this invocation has. */
  private loadQuery(i: number): string {
    const {query, key} = this.share;
    const formats = {ownColumns: query.columns, own: (c: string) => query.floats(c), staged: (c: string) => key.floats(c)};
    return eachColumn(key, this.shape.threadsX, (n, column, inside) => {
      let part = 0;
      const reads = ownReads(formats, key.floats('').length, column);
      return lines(
        ...reads.map(({column: own, floats}, read) => {
          const name = `query${i}_${n}_${read}`;
          const fours = floats(name).map((four) => `let q${i}_${n}_${part++} = ${orZeros('vec4f', four, inside)};`);
          return lines(`let ${name} = ${query.load(`query${i}`, own)}${this.share.sideScale('query')};`, ...fours);
        }),
      );
    });
  }

  private loadKeys(): string {
    const {key, keys} = this.share;
    const load = (j: number): string =>
      eachColumn(key, this.shape.threadsX, (n, column, inside) => {
        const loaded = `${key.load(`key${j}`, column)}${this.share.sideScale('key')}`;
        return `let k${j}_${n} = ${orZeros(key.element, loaded, inside)};`;
      });
    return lines(
      each(keys, (j) => this.placeOf('key', key, j)),
      each(keys, load),
    );
  }

  private products(): string {
    const {key, rows, keys} = this.share;
    const columns = Array.from({length: ceilDiv(key.columns, this.shape.threadsX)}, (_, n) => n);
    const packed = key.floats('').length > 1;
    const unpack = (j: number): string =>
      columns.flatMap((n) => key.floats(`k${j}_${n}`).map((four, e) => `let key${j}_${n}_${e} = ${four};`)).join(' ');
    const product = (i: number, j: number): string => {
      const dots = columns.flatMap((n) =>
        key.floats(`k${j}_${n}`).map((four, e) => `dot(q${i}_${n}_${e}, ${packed ? `key${j}_${n}_${e}` : four})`),
      );
      return `s${i}_${j} = ${dots.join(' + ')};`;
    };
    return lines(
      packed ? each(keys, unpack) : '',
      each(rows, (i) => each(keys, (j) => product(i, j))),
    );
  }

  private placeOf(name: 'key' | 'value', access: RowAccess, j: number): string {
    return `let ${name}${j} = ${access.base(`(${name}Line + u32(number${j}) * params.keyStrides.y)`)};`;
  }

  private attend(): string {
    const {features, kinds} = this.shape;
    const {rows, keys, columns} = this.share;
    const softmax = (i: number): string => {
      const scores = this.scoresOf(i);
      return lines(
        `let next${i} = max(m${i}, ${tree(scores, (a, b) => `max(${a}, ${b})`)});`,
        `let shrink${i} = exp2(${power(`m${i} - next${i}`, features)}); m${i} = next${i};`,
        scores.map((s) => `${s} = exp2(${power(`${s} - next${i}`, features)});`).join(' '),
        `l${i} = fma(l${i}, shrink${i}, ${tree(scores, (a, b) => `(${a} + ${b})`)});`,
        // What is dropped counts in the sum all the same.
        this.scoring.keeps ? each(keys, (j) => `s${i}_${j} *= ${this.scoring.kept(i, j)};`) : '',
        each(columns, (c) => `o${i}_${c} *= shrink${i};`, ' '),
      );
    };
    return lines(
      this.loadsEarly ? '' : each(keys, (j) => this.loadValue(j)),
      each(keys, (j) => this.scoring.key(j, `number${j}`)),
      each(rows, (i) => each(keys, (j) => this.scoring.pair(`s${i}_${j}`, i, j))),
      hide(this.share.masked(this.scoring.clip(kinds))),
      each(rows, softmax),
      each(keys, (j) => this.weighValue(j)),
    );
  }

  private loadValue(j: number): string {
    const {value} = this.share;
    const load = (n: number, column: string): string => `let v${j}_${n} = ${value.load(`value${j}`, column)};`;
    return lines(this.placeOf('value', value, j), eachColumn(value, this.shape.threadsX, load));
  }

  private weighValue(j: number): string {
    const {value, rows} = this.share;
    const perColumn = value.floats('').length;
    return eachColumn(value, this.shape.threadsX, (n) =>
      lines(
        ...value.floats(`v${j}_${n}`).map((four, e) => {
          const name = `value${j}_${n}_${e}`;
          const c = perColumn * n + e;
          const sums = each(rows, (i) => `o${i}_${c} = fma(vec4f(s${i}_${j}), ${name}, o${i}_${c});`);
          return lines(`let ${name} = ${this.share.scaled(four)};`, sums);
        }),
      ),
    );
  }
}
