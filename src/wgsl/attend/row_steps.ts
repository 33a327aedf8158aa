import {ceilDiv} from '../../support/index.js';
import {plain, type Flow, type Region} from '../tile/flow.js';
import {hide} from '../tile/mask.js';
import {keyAt} from '../tile/places.js';
import {Scoring} from '../tile/scoring.js';
import type {Share} from '../tile/share.js';
import {ownReads} from '../tile/tile_math.js';
import {power} from '../terms/unit.js';
import type {RowAccess} from '../text/row_access.js';
import {each, lines, tree} from '../text/text.js';
import type {AttendSteps} from './attend_steps.js';
import type {RowShape} from './row_shape.js';

/**
 * The row-wise kernel step by step. The invocations of a row each have some columns of its query, of its keys and of its output, and all of its
 * scores, so nothing is joined at the end. All rows of a workgroup make as many trips, for there are barriers in them; who has no keys left reads
 * nothing.
 *
 * Names in the WGSL: number<j> key of the trip, q<n>_<e> columns of the query, s0_<j> score, m0 running maximum, l0 sum, o0_<c> output.
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
    const {parts} = this.shape;
    const before = [{name: 'own columns of the query', reads: [], writes: [], code: this.loadQuery()}];
    const first = 'let y0 = y.x + KEYS * trip;';
    const [even, odd] = parts;
    const loop: Flow =
      even === undefined || odd === undefined
        ? {open: 'for (var trip = 0; trip < trips; trip++) {', body: [plain(first), ...this.trip(null)], runs: 'any'}
        : {
            // Two trips, each with memory of its own: one barrier a trip is enough.
            open: 'for (var trip = 0; trip < trips; trip += 2) {',
            body: [
              {open: '{', body: [plain(first), ...this.trip(even)], runs: 'once'},
              {
                open: 'if (trip + 1 < trips) {',
                body: [plain('let y0 = y.x + KEYS * (trip + 1);'), ...this.trip(odd)],
                runs: 'between',
              },
            ],
            runs: 'any',
          };
    return {before, tile: [loop], after: []};
  }

  private trip(parts: Region | null): Flow[] {
    const scores = lines(
      this.numbers(),
      each(this.share.keys, (j) => `var s0_${j} = 0.0;`, ' '),
      this.whereLeft(this.products()),
    );
    const rest = {name: 'probabilities and values', reads: [], writes: [], code: this.whereLeft(this.attend())};
    if (parts === null) {
      const code = lines(scores, this.shuffle());
      return [{name: 'scores', reads: [], writes: [], code}, rest];
    }
    return [
      {name: 'parts of scores', reads: [], writes: [parts], code: lines(scores, this.publish(parts))},
      {name: 'scores', reads: [parts], writes: [], code: this.collect(parts)},
      rest,
    ];
  }

  private whereLeft(code: string): string {
    return `if (y0 < y.y) {\n${code}\n}`;
  }

  private loadQuery(): string {
    const {query, key} = this.share;
    const parts = key.floats('').length;
    return this.eachColumn(key, (n, column, inside) => {
      let part = 0;
      const reads = ownReads({ownColumns: query.columns, own: (c) => query.floats(c), staged: (c) => key.floats(c)}, parts, column);
      return lines(
        ...reads.map(({column: own, floats}, read) => {
          const name = `query0_${n}_${read}`;
          const load = `${query.load('query0', own)}${this.share.sideScale('query')}`;
          const four = floats(name).map(
            (text) => `let q${n}_${part++} = ${inside === null ? text : `select(vec4f(), ${text}, ${inside})`};`,
          );
          return lines(`let ${name} = ${load};`, ...four);
        }),
      );
    });
  }

  /** Past the end of a row its last key, which is read and hidden. */
  private numbers(): string {
    const {kinds} = this.shape;
    return each(this.share.keys, (j) => `let number${j} = ${keyAt(kinds, `min(y0 + ${j}, y.y - 1)`)};`);
  }

  private products(): string {
    const {key} = this.share;
    const place = (j: number): string => `let key${j} = ${key.base(`(keyLine + u32(number${j}) * params.keyStrides.y)`)};`;
    const load = (j: number): string =>
      this.eachColumn(key, (n, column, inside) => {
        const four = `${key.load(`key${j}`, column)}${this.share.sideScale('key')}`;
        const own = inside === null ? four : `select(${key.element === 'vec4u' ? 'vec4u()' : 'vec4f()'}, ${four}, ${inside})`;
        return `let k${j}_${n} = ${own};`;
      });
    const product = (j: number): string => {
      const columns = ceilDiv(key.columns, this.shape.threadsX);
      const dots = Array.from({length: columns}, (_, n) => key.floats(`k${j}_${n}`).map((four, e) => `dot(q${n}_${e}, ${four})`));
      return `s0_${j} = ${dots.flat().join(' + ')};`;
    };
    const {keys} = this.share;
    return lines(each(keys, place), each(keys, load), each(keys, product));
  }

  private shuffle(): string {
    const distances = [1, 2, 4].filter((distance) => distance < this.shape.threadsX);
    const step = (distance: number): string =>
      each(this.share.keys, (j) => `s0_${j} += subgroupShuffleXor(s0_${j}, ${distance}u);`, ' ');
    return lines(...distances.map(step));
  }

  private publish({begin}: Region): string {
    const scores = Array.from({length: this.share.keys}, (_, j) => `s0_${j}`);
    return `memory[${begin}u + lane] = ${this.share.pack(`vec4f(${scores.join(', ')})`)};`;
  }

  private collect({begin}: Region): string {
    const {threadsX} = this.shape;
    const parts = Array.from({length: threadsX}, (_, x) => this.share.unpack(`memory[own + ${begin + x}u]`));
    return lines(
      `let own = ty * ${threadsX}u;`,
      `let sum = ${tree(parts, (a, b) => `(${a} + ${b})`)};`,
      each(this.share.keys, (j) => `s0_${j} = sum.${'xyzw'[j]};`, ' '),
    );
  }

  private attend(): string {
    const {features, kinds} = this.shape;
    const {keys, columns} = this.share;
    const scores = Array.from({length: keys}, (_, j) => `s0_${j}`);
    return lines(
      each(keys, (j) => this.scoring.key(j, `number${j}`)),
      each(keys, (j) => this.scoring.pair(`s0_${j}`, 0, j)),
      hide(this.share.masked(this.scoring.clip(kinds))),
      `let next = max(m0, ${tree(scores, (a, b) => `max(${a}, ${b})`)});`,
      `let shrink = exp2(${power('m0 - next', features)}); m0 = next;`,
      each(keys, (j) => `s0_${j} = exp2(${power(`s0_${j} - next`, features)});`, ' '),
      `l0 = fma(l0, shrink, ${tree(scores, (a, b) => `(${a} + ${b})`)});`,
      // What is dropped counts in the sum all the same.
      this.scoring.keeps ? each(keys, (j) => `s0_${j} *= ${this.scoring.kept(0, j)};`) : '',
      each(columns, (c) => `o0_${c} *= shrink;`, ' '),
      this.weighValues(),
    );
  }

  private weighValues(): string {
    const {value} = this.share;
    const {keys} = this.share;
    const place = (j: number): string => `let value${j} = ${value.base(`(keyLine + u32(number${j}) * params.keyStrides.y)`)};`;
    const perColumn = value.floats('').length;
    const load = (j: number): string =>
      this.eachColumn(value, (n, column) => `let v${j}_${n} = ${value.load(`value${j}`, column)};`);
    const add = (j: number): string =>
      this.eachColumn(value, (n) =>
        lines(
          ...value
            .floats(`v${j}_${n}`)
            .map(
              (four, e) => `o0_${perColumn * n + e} = fma(vec4f(s0_${j}), ${this.share.scaled(four)}, o0_${perColumn * n + e});`,
            ),
        ),
      );
    return lines(each(keys, place), each(keys, load), each(keys, add));
  }

  /** Own columns of a row, the last one for invocations past its end; `inside` is when there is one, null for always. */
  private eachColumn({columns}: RowAccess, text: (n: number, column: string, inside: string | null) => string): string {
    const {threadsX} = this.shape;
    return each(ceilDiv(columns, threadsX), (n) => {
      const column = n === 0 ? 'tx' : `(tx + ${threadsX * n}u)`;
      if (threadsX * (n + 1) <= columns) return text(n, column, null);
      return text(n, `min(${column}, ${columns - 1}u)`, `${column} < ${columns}u`);
    });
  }
}
