import {ceilDiv} from '../../support/index.js';
import {gridIndex} from '../text/grid.js';
import {each, lines, tree} from '../text/text.js';
import {plain, type Flow, type Region} from '../tile/flow.js';
import type {Elements} from './op_params.js';

/** How lanes share rows. Each keeps what it loads in registers, so a row is read once, however many sums its norm takes. */
export interface RowGroup {
  /** Of a row: a power of two. */
  readonly lanes: number;
  /** Elements that a lane keeps of a row. */
  readonly registers: number;
  readonly invocations: number;
  /** Of a workgroup. */
  readonly rows: number;
}

/** The fewest lanes in which GPUs run anything. */
const LEAST_INVOCATIONS = 64;
const MOST_LANES = 256;
/** Up to this many registers a row is of 64 lanes, whose sums take 8 + 8 reads; beyond, of 256 with 16 + 16. Not measured. */
const FEW_REGISTERS = 4;

/** The group for rows of so many elements. */
export function rowGroupOf(columns: number): RowGroup {
  const narrow = Math.min(LEAST_INVOCATIONS, 2 ** Math.ceil(Math.log2(Math.max(1, columns))));
  const lanes = ceilDiv(columns, narrow) <= FEW_REGISTERS ? narrow : MOST_LANES;
  const invocations = Math.max(LEAST_INVOCATIONS, lanes);
  return {lanes, registers: ceilDiv(columns, lanes), invocations, rows: invocations / lanes};
}

/** A row is summed in two steps where its lanes are more than this. */
const MOST_AT_ONCE = 8;

/** Lanes that sum for the others. */
const summersOf = ({lanes}: RowGroup): number => (lanes <= MOST_AT_ONCE ? 0 : lanes <= 64 ? lanes / 8 : lanes / 16);

/** Workgroup memory: what each lane has, then what each summer made of it. */
export const rowGroupBytes = (group: RowGroup): number =>
  group.lanes === 1 ? 0 : 8 * (group.invocations + group.rows * summersOf(group));

export const rowGroupMemory = (group: RowGroup): string => {
  if (group.lanes === 1) return '';
  const totals = summersOf(group) === 0 ? '' : `\nvar<workgroup> totals: array<vec2f, ${group.rows * summersOf(group)}>;`;
  return `var<workgroup> partials: array<vec2f, ${group.invocations}>;${totals}`;
};

/** Where an invocation stands, and the registers `name0`, `name1` … of the row. */
export class RowRegisters {
  constructor(
    readonly group: RowGroup,
    readonly elements: Elements,
  ) {}

  /** `row`, the lane `own` in it, and `first`, the place of its first element. Nobody may return: all take part in barriers. */
  get place(): string {
    const {lanes, rows} = this.group;
    return lines(
      `let own = lane % ${lanes}u;`,
      `let row = ${gridIndex(rows, `lane / ${lanes}u`)};`,
      'let isRow = row < params.rows;',
      'let first = row * params.columns;',
      `let isLast = isRow && own + ${lanes * (this.group.registers - 1)}u < params.columns; // the last register holds something`,
    );
  }

  /** The column of register number r. */
  column(r: number): string {
    return r === 0 ? 'own' : `own + ${this.group.lanes * r}u`;
  }

  each(line: (r: number, column: string, isInside: string) => string): string {
    const {registers} = this.group;
    return each(registers, (r) => line(r, this.column(r), r === registers - 1 ? 'isLast' : 'isRow'));
  }

  /** The sum over all registers of what `term` makes of each. */
  sum(term: (r: number) => string): string {
    return tree(
      Array.from({length: this.group.registers}, (_, r) => term(r)),
      (a, b) => `(${a} + ${b})`,
    );
  }

  /** Steps after which `name` is the sum of a pair of numbers over the lanes of a row, the same in all of them. */
  reduce(name: string, pair: string): Flow[] {
    const {group} = this;
    const {lanes, invocations, rows} = group;
    if (lanes === 1) return [plain(`let ${name} = ${pair};`)];
    const summers = summersOf(group);
    const partials: Region = {begin: 0, end: Math.ceil(invocations / 2)};
    const totals: Region = {begin: partials.end, end: partials.end + Math.ceil((rows * summers) / 2)};
    const sumOf = (memory: string, base: string, count: number, stride: number): string =>
      tree(
        Array.from({length: count}, (_, i) => (i === 0 ? `${memory}[${base}]` : `${memory}[${base} + ${stride * i}u]`)),
        (a, b) => `(${a} + ${b})`,
      );
    const own: Flow = {name: `${name}: of each lane`, reads: [], writes: [partials], code: `partials[lane] = ${pair};`};
    const begin = rows === 1 ? '0u' : 'lane - own';
    if (summers === 0) {
      return [
        own,
        {name: 'of the row', reads: [partials], writes: [], code: `let ${name} = ${sumOf('partials', begin, lanes, 1)};`},
      ];
    }
    return [
      own,
      {
        name: `of every ${summers}th lane`,
        reads: [partials],
        writes: [totals],
        code: lines(
          `if (own < ${summers}u) {`,
          `totals[lane / ${lanes}u * ${summers}u + own] = ${sumOf('partials', 'lane', lanes / summers, summers)};`,
          '}',
        ),
      },
      {
        name: 'of the row',
        reads: [totals],
        writes: [],
        code: `let ${name} = ${sumOf('totals', `lane / ${lanes}u * ${summers}u`, summers, 1)};`,
      },
    ];
  }
}
