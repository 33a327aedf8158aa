import type {ProductTile} from '../../product/index.js';
import {each, lines} from '../text/text.js';

/** An operand in memory: rows of numbers, read four at a time along them, and where its tile goes in workgroup memory. */
export interface ProductOperand {
  readonly role: 'a' | 'b';
  /** In workgroup memory. */
  readonly staged: 'left' | 'right';
  /** What is summed over lies along the columns in memory. */
  readonly sumAlongRow: boolean;
  /** Fours in workgroup memory are of the sum, or of the other side. */
  readonly fours: 'sum' | 'side';
  /** Rows in memory consist of fours. */
  readonly inFours: boolean;
  /** Of the tile along the other side. */
  readonly size: number;
}

/** The parameters with the sides of an operand in memory. */
const SIDES = {
  a: {rows: 'params.aRows', columns: 'params.aColumns'},
  b: {rows: 'params.bRows', columns: 'params.bColumns'},
} as const;

/** Whether a step lies in the matrices as a whole. Numbers that are read one by one, each with a test, take a quarter longer (4,090 × 4,091 × 4,093, H200, 2026-11-30). */
const INSIDE = 'inside';

/** WGSL: four numbers of a row from a column on, a multiple of 4. `first` is the place of the matrix. Past the matrix are zeros; a second function does not look. */
export const foursOf = (operand: ProductOperand, ragged: boolean): string =>
  ragged ? lines(fourOf(operand, true, ''), fourOf(operand, false, INSIDE)) : fourOf(operand, false, '');

function fourOf({role, inFours}: ProductOperand, checks: boolean, more: string): string {
  const {rows, columns} = SIDES[role];
  const place = inFours ? `first + row * (${columns} >> 2u) + (column >> 2u)` : `first + row * ${columns} + column`;
  const body = inFours
    ? `return ${role}[at];`
    : lines(
        'var four = vec4f();',
        each(4, (i) => {
          const read = `four[${i}] = ${role}[at${i === 0 ? '' : ` + ${i}u`}];`;
          return i === 0 || !checks ? read : `if (column + ${i}u < ${columns}) { ${read} }`;
        }),
        'return four;',
      );
  return lines(
    `fn ${role}Four${more}(first: u32, row: u32, column: u32) -> vec4f {`,
    checks ? `if (row >= ${rows} || column >= ${columns}) { return vec4f(); }` : '',
    `let at = ${place};`,
    body,
    '}',
  );
}

/** WGSL: loads of a step by `load`, which is given what the name of their functions ends with. */
export function loadsOf({tile, ragged, transposeA}: LoadShape, load: (more: string) => string): string {
  if (!ragged) return load('');
  const sum = transposeA ? 'params.aRows' : 'params.aColumns';
  return lines(`if (isInside && k + ${tile.step}u <= ${sum}) {`, load(INSIDE), '} else {', load(''), '}');
}

interface LoadShape {
  readonly tile: ProductTile;
  readonly ragged: boolean;
  readonly transposeA: boolean;
}

/** WGSL: whether the tile does, apart from what is summed over. */
export const isInside = ({tile: {rows, columns}, ragged}: LoadShape): string =>
  ragged ? `let isInside = row + ${rows}u <= params.rows && column + ${columns}u <= params.columns;` : '';

/** Where a matrix begins, in elements of its binding. */
export const firstOf = ({role, inFours}: ProductOperand, matrix: string): string =>
  `${matrix} * ${SIDES[role].rows} * ${inFours ? `(${SIDES[role].columns} >> 2u)` : SIDES[role].columns}`;

/** A place of A's tile in workgroup memory: rows of fours, turned by the row so that rows fall into different banks. */
export const leftAt = (row: string, four: string, {step}: ProductTile): string =>
  step === 4 ? row : `${row} * ${step / 4}u + (${four} + ${row}) % ${step / 4}u`;

/** What is summed over lies in memory across the fours that invocations multiply: four fours are turned in registers. */
export const isTurned = ({sumAlongRow, fours}: ProductOperand): boolean => sumAlongRow !== (fours === 'sum');

/**
 * A place of a tile with fours of its other side: rows of the sum, number 4 · `along` + `i`. Those that are turned are written by neighbours along the sum, which a shift
 * sends to different banks: eight invocations write 128 bytes at a time.
 */
export function sideAt(operand: ProductOperand, along: string, i: number, four: string, {step}: ProductTile): string {
  const fours = operand.size / 4;
  const row = `(4u * ${along} + ${i}u) * ${fours}u`;
  if (!isTurned(operand)) return `${row} + ${four}`;
  return `${row} + (${four} + ${Math.max(1, Math.floor(32 / step))}u * ${along}) % ${fours}u`;
}

/** What an invocation brings of a tile, as text: registers, what loads them, and what writes them to workgroup memory. */
export interface OperandShare {
  readonly declare: string;
  load(more: string): string;
  readonly store: string;
}

/** Fours of a tile by the invocations. `origin`: where the tile begins along the side that is not summed over; `k` along the sum. */
export function shareOf(operand: ProductOperand, tile: ProductTile, origin: string): OperandShare {
  const {role, size, fours} = operand;
  const invocations = tile.threadsX * tile.threadsY;
  const depth = tile.step / 4;
  const turns = isTurned(operand);
  const units = (size / 4) * depth * (turns ? 1 : 4);
  const rounds = Math.ceil(units / invocations);
  const unit = (round: number): {readonly id: string; readonly open: string; readonly close: string} => ({
    id: round === 0 ? 'lane' : `(lane + ${round * invocations}u)`,
    ...((round + 1) * invocations > units
      ? {open: `if (lane + ${round * invocations}u < ${units}u) {`, close: '}'}
      : {open: '', close: ''}),
  });
  const register = (round: number, i: number): string => (turns ? `${role}${round}_${i}` : `${role}${round}`);
  const registers = turns ? [0, 1, 2, 3] : [0];
  const place = (round: number): {row: string; column: string; places: readonly string[]} => {
    const {id} = unit(round);
    if (!turns && fours === 'sum') {
      const [row, column] = [`${id} / ${depth}u`, `${id} % ${depth}u`];
      return {row: `${origin} + ${row}`, column: `k + 4u * (${column})`, places: [leftAt(`(${row})`, column, tile)]};
    }
    if (!turns) {
      const [row, column] = [`${id} / ${size / 4}u`, `${id} % ${size / 4}u`];
      return {row: `k + ${row}`, column: `${origin} + 4u * (${column})`, places: [id]};
    }
    if (fours === 'sum') {
      // Neighbours read along the rows of memory.
      const [side, along] = [`${id} % ${size / 4}u`, `${id} / ${size / 4}u`];
      const places = registers.map((i) => leftAt(`(4u * (${side}) + ${i}u)`, along, tile));
      return {row: `k + 4u * (${along})`, column: `${origin} + 4u * (${side})`, places};
    }
    const [along, side] = [`${id} % ${depth}u`, `${id} / ${depth}u`];
    const places = registers.map((i) => sideAt(operand, `(${along})`, i, side, tile));
    return {row: `${origin} + 4u * (${side})`, column: `k + 4u * (${along})`, places};
  };
  const {staged} = operand;
  const turned = (round: number, i: number): string => `vec4f(${registers.map((j) => `${register(round, j)}[${i}]`).join(', ')})`;
  return {
    declare: each(rounds, (round) => registers.map((i) => `var ${register(round, i)} = vec4f();`).join('\n')),
    load: (more) =>
      each(rounds, (round) => {
        const {open, close} = unit(round);
        const {row, column} = place(round);
        const loads = registers.map(
          (i) => `${register(round, i)} = ${role}Four${more}(${role}First, ${row}${i === 0 ? '' : ` + ${i}u`}, ${column});`,
        );
        return lines(open, ...loads, close);
      }),
    store: each(rounds, (round) => {
      const {open, close} = unit(round);
      const {places} = place(round);
      const stores = places.map((at, i) => `${staged}[${at}] = ${turns ? turned(round, i) : register(round, 0)};`);
      return lines(open, ...stores, close);
    }),
  };
}
