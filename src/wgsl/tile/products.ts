import type {RowAccess} from '../text/row_access.js';
import {each, lines} from '../text/text.js';
import type {Region, Step} from './flow.js';
import type {Columns} from './columns.js';
import {copyTile, exchange, FLOATS, multiply, weigh, type Grid} from './tile_math.js';

/** A tile of which a workgroup keeps one side in registers and stages the other, `size` rows of floats. */
export interface Staging {
  readonly grid: Grid;
  readonly size: number;
}

/** A tensor whose rows are staged: those of the trip, by their place in the tile (u32) as rows of the tensor. */
export interface Staged {
  readonly access: RowAccess;
  row(place: string): string;
  /** What each column is multiplied by, ready to follow it. */
  readonly factor: string;
}

export interface Products {
  /** Names of the results: `${name}${i}_${j}`. */
  readonly name: string;
  /** What is staged, in words. */
  readonly what: string;
  readonly staged: Staged;
  /** Staged a range of columns at a time. */
  readonly ranges: readonly Columns[];
  readonly region: Region;
  readonly unroll: number;
  /** A column of own row i. */
  own(i: number, column: string): string;
}

/** name_ij = own row i · staged row j. */
export function productSteps({grid, size}: Staging, {name, what, staged, ranges, region, unroll, own}: Products): Step[] {
  return ranges.flatMap((columns, index): Step[] => {
    const {first, count} = columns;
    const copy = copyTile(threadsOf(grid), size, count, (row, column, at) => {
      const from = loadStaged(staged, row, first === 0 ? column : `${column} + ${first}u`);
      return `memory[${region.begin}u + ${at} + (${column} + ${row}) % ${count}u] = ${from};`;
    });
    const zero = index === 0 ? each(grid.rows, (i) => each(grid.keys, (j) => `var ${name}${i}_${j} = 0.0;`, ' ')) : '';
    return [
      {name: `stage ${what}`, reads: [], writes: [region], code: copy},
      {
        name: `products with ${what}`,
        reads: [region],
        writes: [],
        code: lines(zero, multiply(grid, {name, columns, region, unroll, load: own})),
      },
    ];
  });
}

/** How a sum over the staged side is taken in steps: groups of staged rows, and ranges of own columns (threadsX apart) of each. */
export interface Summation {
  readonly groups: number;
  readonly columns: readonly Columns[];
  /** vec4 columns of a staged row. */
  readonly width: number;
  readonly weights: Region;
  readonly staged: Region;
}

export interface Sums {
  /** Names of the sums, `${name}${i}_${c}`, and of their weights, `${weights}${i}_${j}`. */
  readonly name: string;
  readonly weights: string;
  readonly what: string;
  readonly staged: Staged;
  readonly sum: Summation;
  readonly unroll: number;
}

/** name_ic += Σ over staged rows j of weight ij · own column c of row j. */
export function sumSteps({grid, size}: Staging, {name, weights, what, staged, sum, unroll}: Sums): Step[] {
  const quads = grid.keys / sum.groups / 4;
  const perGroup = size / sum.groups;
  const steps: Step[] = [];
  for (let group = 0; group < sum.groups; group++) {
    const code = exchange(grid, FLOATS, {name: weights, region: sum.weights, quads, group});
    steps.push({name: `exchange for ${what}`, reads: [], writes: [sum.weights], code});
    for (const columns of sum.columns) {
      const begin = columns.first * grid.threadsX;
      const width = Math.min(columns.count * grid.threadsX, sum.width - begin);
      const copy = copyTile(threadsOf(grid), perGroup, width, (row, column, at) => {
        const there = group === 0 ? row : `(${row} + ${group * perGroup}u)`;
        const from = loadStaged(staged, there, begin === 0 ? column : `${column} + ${begin}u`);
        return `memory[${sum.staged.begin}u + ${at} + ${column}] = ${from};`;
      });
      const text = weigh(grid, FLOATS, {name, weights: sum.weights, quads, region: sum.staged, width, columns, unroll});
      steps.push({name: `stage for ${what}`, reads: [], writes: [sum.staged], code: copy});
      steps.push({name: `sum ${what}`, reads: [sum.weights, sum.staged], writes: [], code: text});
    }
  }
  return steps;
}

/** Sums of own rows (or keys) `own<i>` that are spread over the invocations in x: one number each, and who takes it. */
export interface Meeting {
  readonly rows: number;
  /** A vec4 for each invocation in x of each own row. */
  readonly meeting: Region;
  /** Names of the sums: `${name}${i}`. */
  readonly name: string;
  /** What the first invocation in x does with the whole sum. */
  keep(i: number, sum: string): string;
}

export function meetSteps({rows, meeting, name, keep}: Meeting): Step[] {
  const at = (i: number, x: string): string => `memory[${meeting.begin === 0 ? '' : `${meeting.begin}u + `}own${i} * TX + ${x}]`;
  const whole = (i: number): string =>
    lines(`{ var sum = 0.0; for (var x = 0u; x < TX; x++) { sum += ${at(i, 'x')}.x; }`, keep(i, 'sum'), '}');
  return [
    {
      name: 'sums of own rows',
      reads: [],
      writes: [meeting],
      code: each(rows, (i) => `${at(i, 'tx')} = vec4f(${name}${i}, 0.0, 0.0, 0.0);`),
    },
    {name: 'whole sums', reads: [meeting], writes: [], code: lines('if (tx == 0u) {', each(rows, whole), '}')},
  ];
}

const threadsOf = ({threadsX, threadsY}: Grid): number => threadsX * threadsY;

const loadStaged = ({access, row, factor}: Staged, place: string, column: string): string =>
  access.load(access.base(row(place)), column) + factor;
