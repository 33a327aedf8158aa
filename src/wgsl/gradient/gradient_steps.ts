import type {Path, Step, Steps} from '../tile/barriers.js';
import {repeat} from '../tile/barriers.js';
import type {GradientShape, Summation} from './gradient_shape.js';
import type {Columns} from '../tile/kernel_shape.js';
import {rowAccess, type RowAccess} from '../text/row_access.js';
import {power} from '../terms/unit.js';
import {Scoring} from '../tile/scoring.js';
import {each, lines, tree} from '../text/text.js';
import {copyTile, exchange, FLOATS, multiply, weigh, type Grid} from '../tile/tile_math.js';

/** A tensor as a gradient kernel reaches it: its own rows by number, the staged ones by their place in the tile. */
export interface Side {
  readonly access: RowAccess;
  /** The base of own row i. */
  own(i: number): string;
}

/** What the two kinds of kernel say differently. */
export interface GradientTensors {
  /** Query and gradient of the output, or key and value: what the workgroup owns. */
  readonly ownHead: Side;
  readonly ownValue: Side;
  /** The others: what is staged. */
  readonly head: RowAccess;
  readonly value: RowAccess;
  /** The tensor row of staged row `row` of the trip, as u32. */
  stagedRow(row: string): string;
}

export interface GradientSteps extends Steps {
  readonly loop: Path;
}

/**
 * One trip over a tile, as FlashAttention-2's backward pass has it (arXiv 2307.08691): scores again, probabilities from the maximum and
 * sum of the forward pass, dS = P ∘ (dO·Vᵀ − D), then what the owned side sums up: dQ += dS·K; or dV += Pᵀ·dO and dK += dSᵀ·Q.
 *
 * Names in the WGSL: s<i>_<j> score, later probability; t<i>_<j> product of value and dO, later gradient of the score; g<i>_<c> sum of
 * headDim columns, v of valueDim columns; i is own, j staged.
 */
export class GradientTrip {
  readonly grid: Grid;
  readonly scoring: Scoring;
  private readonly threads: number;

  constructor(
    readonly shape: GradientShape,
    private readonly tensors: GradientTensors,
  ) {
    const {size, threadsX, threadsY, features} = shape;
    this.grid = {threadsX, threadsY, rows: size / threadsY, keys: size / threadsX};
    this.threads = threadsX * threadsY;
    this.scoring = new Scoring(features);
  }

  steps(): GradientSteps {
    const {shape, tensors} = this;
    const {headColumns, valueColumns, headSum, valueSum} = shape;
    const loop: Step[] = [
      ...this.product('s', headColumns, tensors.ownHead, tensors.head, 'keys'),
      ...this.product('t', valueColumns, tensors.ownValue, tensors.value, 'values'),
      {name: 'gradients of scores', reads: [], writes: [], code: this.scoreGradients()},
    ];
    if (valueSum !== null) loop.push(...this.sum('s', 'v', valueSum, tensors.value, 'gradients of values'));
    if (headSum !== null)
      loop.push(...this.sum('t', 'g', headSum, tensors.head, shape.owns === 'rows' ? 'gradients of queries' : 'gradients of keys'));
    if (shape.wants === 'scores') loop.push({name: 'gradients wanted', reads: [], writes: [], code: this.keepScores()});
    return {loop, paths: (most) => Array.from({length: most + 1}, (_, trips) => repeat(loop, trips))};
  }

  private product(name: string, ranges: readonly Columns[], own: Side, staged: RowAccess, what: string): Step[] {
    const {product, size, unroll} = this.shape;
    const side = name === 's' ? this.sideScale : '';
    return ranges.flatMap((columns, index): Step[] => {
      const {first, count} = columns;
      const copy = copyTile(this.threads, size, count, (row, column, at) => {
        const loaded = staged.load(staged.base(this.tensors.stagedRow(row)), first === 0 ? column : `${column} + ${first}u`);
        const from = loaded + side;
        return `memory[${product.begin}u + ${at} + (${column} + ${row}) % ${count}u] = ${from};`;
      });
      const zero = index === 0 ? each(this.grid.rows, (i) => each(this.grid.keys, (j) => `var ${name}${i}_${j} = 0.0;`, ' ')) : '';
      const load = (i: number, column: string): string => own.access.load(own.own(i), column) + side;
      const text = multiply(this.grid, FLOATS, {name, columns, region: product, unroll: unroll.scores, load});
      return [
        {name: `stage ${what}`, reads: [], writes: [product], code: copy},
        {name: `products with ${what}`, reads: [product], writes: [], code: lines(zero, text)},
      ];
    });
  }

  private sum(weights: string, name: string, sum: Summation, staged: RowAccess, what: string): Step[] {
    const {size, threadsX, unroll} = this.shape;
    const quads = this.grid.keys / sum.groups / 4;
    const factor = name === 'g' ? this.sideScale : '';
    const steps: Step[] = [];
    for (let group = 0; group < sum.groups; group++) {
      const code = exchange(this.grid, FLOATS, {name: weights, region: sum.weights, quads, group});
      steps.push({name: `exchange for ${what}`, reads: [], writes: [sum.weights], code});
      const perGroup = size / sum.groups;
      for (const columns of sum.columns) {
        const begin = columns.first * threadsX;
        const width = Math.min(columns.count * threadsX, sum.width - begin);
        const copy = copyTile(this.threads, perGroup, width, (row, column, at) => {
          const there = group === 0 ? row : `(${row} + ${group * perGroup}u)`;
          const from = staged.load(staged.base(this.tensors.stagedRow(there)), begin === 0 ? column : `${column} + ${begin}u`);
          return `memory[${sum.staged.begin}u + ${at} + ${column}] = ${from}${factor};`;
        });
        const text = weigh(this.grid, FLOATS, {
          name,
          weights: sum.weights,
          quads,
          region: sum.staged,
          width,
          columns,
          unroll: unroll.values,
        });
        steps.push({name: `stage for ${what}`, reads: [], writes: [sum.staged], code: copy});
        steps.push({name: `sum ${what}`, reads: [sum.weights, sum.staged], writes: [], code: text});
      }
    }
    return steps;
  }

  /** A far scale that came only at the end would find products and sums past float32. */
  private get sideScale(): string {
    return this.shape.features.farScale ? ' * params.sideScale' : '';
  }

  /** Query and key of own i and staged j, by the numbers under which they are declared. */
  private pair(i: number, j: number): [query: number, key: number] {
    return this.shape.owns === 'rows' ? [i, j] : [j, i];
  }

  private scoreGradients(): string {
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
    const staged = each(keys, (j) => this.declareStaged(j));
    return lines(
      '{',
      staged,
      all((i, j) =>
        lines(
          slopeOf(i, j) === '' ? '' : `let slope${i}_${j} = ${slopeOf(i, j)};`,
          this.scoring.pair(`s${i}_${j}`, ...this.pair(i, j)),
        ),
      ),
      this.applyMask(),
      all(gradient),
      '}',
    );
  }

  /** A pair that attends has one writer: also where several lines share a bias, for the same invocation visits them in turn. */
  private keepScores(): string {
    const {rows, keys, threadsX} = this.grid;
    if (this.shape.owns === 'keys') {
      return each(
        rows,
        (i) =>
          `r${i} += ${tree(
            Array.from({length: keys}, (_, j) => `t${i}_${j}`),
            (a, b) => `(${a} + ${b})`,
          )};`,
      );
    }
    const key = (j: number): string => `y0 + i32(tx) + ${threadsX * j}`;
    const pair = (i: number, j: number): string => {
      const at = `pairs${i} + u32(keysOf.x + keysOf.y * (${key(j)}))`;
      return `if (${key(j)} < y.y && s${i}_${j} != HIDDEN) { dScores[${at}] += t${i}_${j}; }`;
    };
    return each(rows, (i) =>
      lines(
        `if (i32(x${i}) < owned.x) {`,
        each(keys, (j) => pair(i, j)),
        '}',
      ),
    );
  }

  /** What staged key (or row) number j is, and brings. */
  private declareStaged(j: number): string {
    const at = `tx + ${this.grid.threadsX * j}u`;
    if (this.shape.owns === 'rows') return this.scoring.key(j, `keysOf.x + keysOf.y * min(y0 + i32(${at}), y.y - 1)`);
    return lines(
      `let place${j} = min(begin + i32(${at}), visited.y - 1);`,
      `let row${j} = u32(rowsOf.x + rowsOf.y * place${j});`,
      `let stats${j} = scratch[shareLine * params.queryLength + row${j}];`,
      this.scoring.query(j, `row${j}`, `line * params.queryLength + row${j}`),
    );
  }

  private applyMask(): string {
    const {owns, mask} = this.shape;
    const {clips} = this.scoring;
    const {rows, keys, threadsX} = this.grid;
    const hide = (i: number, j: number, shown: string): string => `s${i}_${j} = select(HIDDEN, s${i}_${j}, ${shown});`;
    const all = (shown: (i: number, j: number) => string): string => each(rows, (i) => each(keys, (j) => hide(i, j, shown(i, j))));
    const bit = (query: string, key: string): string =>
      `bitOf(schedule[params.maskBits + ${query} + u32(${key}) / 64u], u32(${key}))`;
    if (owns === 'rows') {
      const key = (j: number): string => `y0 + i32(tx) + ${threadsX * j}`;
      if (mask === 'bits') return all((i, j) => `${key(j)} < y.y && ${bit(`bits${i}`, `min(${key(j)}, y.y - 1)`)}`);
      const last = clips ? 'min(own.y, y.y)' : 'own.y';
      const row = (i: number): string =>
        `{ let own = schedule[intervals + x${i}];\n${each(keys, (j) => hide(i, j, `${key(j)} >= own.x && ${key(j)} < ${last}`))} }`;
      return `if (y0 < full.x || y0 + SIZE > ${clips ? 'min(full.y, y.y)' : 'full.y'}) {\n${each(rows, row)}\n}`;
    }
    const inside = (j: number): string => `begin + i32(tx) + ${threadsX * j} < visited.y`;
    const padding = clips ? all((i) => `key${i} < keysLeft`) : '';
    if (mask === 'bits') {
      const words = (j: number): string => `let bits${j} = dot(vec3u(batch, head, row${j}), params.maskStrides.xyz);`;
      return lines(
        each(keys, words),
        all((i, j) => `${inside(j)} && ${bit(`bits${j}`, `key${i}`)}`),
        padding,
      );
    }
    const column = (j: number): string =>
      `{ let theirs = schedule[intervals + u32(place${j})];\n${each(rows, (i) => hide(i, j, `number${i} >= theirs.x && number${i} < theirs.y`))} }`;
    return lines(
      `if (full == 0) {\n${each(keys, column)}\n}`,
      `if (begin + SIZE > visited.y) {\n${all((_, j) => inside(j))}\n}`,
      padding,
    );
  }
}

/** The two kinds of tensors, by what the workgroup owns. */
export function gradientTensors({owns, headDim, valueDim}: GradientShape): GradientTensors {
  const query = rowAccess('query', headDim);
  const key = rowAccess('key', headDim);
  const value = rowAccess('value', valueDim);
  const dOutput = rowAccess('dOutput', valueDim);
  const side = (access: RowAccess, name: string): Side => ({access, own: (i) => `${name}${i}`});
  if (owns === 'rows') {
    return {
      ownHead: side(query, 'query'),
      ownValue: side(dOutput, 'dOutput'),
      head: key,
      value,
      stagedRow: (row) => `(keyLine + u32(keyRows.x + keyRows.y * min(y0 + i32(${row}), y.y - 1)))`,
    };
  }
  return {
    ownHead: side(key, 'ownKey'),
    ownValue: side(value, 'ownValue'),
    head: query,
    value: dOutput,
    stagedRow: (row) => `(queryLine + u32(rowsOf.x + rowsOf.y * min(begin + i32(${row}), visited.y - 1)) * params.queryStrides.y)`,
  };
}
