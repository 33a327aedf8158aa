import {program} from '../text/make_program.js';
import type {BindingRole, Program} from '../text/program.js';
import {each, lines, tree} from '../text/text.js';
import {plain, textOf, type Region} from '../tile/flow.js';
import {loadRows, normColumns, normalised, normSteps, registersOf, type NormShape} from './norm.js';
import {OP_PARAMS, elementsOf} from './op_params.js';
import {rowGroupBytes, rowGroupMemory} from './row_group.js';

/** Elements of scratch that each row has: how its numbers became normalised, for the sums of columns. */
const statsOf = (width: number): number => (width % 4 === 0 ? 1 : 4);

const hasColumnSums = ({gamma, beta}: Pick<NormShape, 'gamma' | 'beta'>): boolean => gamma || beta;

/**
 * Gradients of rows: with g = gradient · gamma and the normalised row n, scale · (g − mean(g) − n · mean(g · n)), and what comes back for the
 * sum. Rows are normalised again, from one load; nothing of the forward pass is kept.
 */
export function rowGradientProgram(shape: NormShape, width: number): Program {
  const {centred, gamma, residual, sum} = shape;
  const registers = registersOf(width);
  const {group, elements} = registers;
  const {total, dot} = elements;
  const keepsStats = hasColumnSums(shape);
  const read: BindingRole[] = [
    'x',
    ...(residual ? (['residual'] as const) : []),
    ...(gamma ? (['gamma'] as const) : []),
    'dOutput',
    ...(sum ? (['dSum'] as const) : []),
  ];
  const written: BindingRole[] = ['dX', ...(keepsStats ? (['scratch'] as const) : [])];
  const stats = centred ? ['mean', 'shift', 'scale'] : ['0.0', '0.0', 'scale'];
  const store =
    elements.each === 4
      ? `scratch[row] = vec4f(${stats.join(', ')}, 0.0);`
      : each(3, (i) => `scratch[4u * row + ${i}u] = ${stats[i]};`, ' ');
  return program({
    name: centred ? 'SplatLayerNorm.rowGradients' : 'SplatRmsNorm.rowGradients',
    bindings: ['params', ...read, ...written],
    writes: written,
    elements: Object.fromEntries([...read, ...written].map((role) => [role, elements.type])),
    workgroupBytes: rowGroupBytes(group),
    invocations: group.invocations,
    code: lines(
      `// Gradients of rows. ${group.lanes} lanes own a row, ${group.rows} rows a workgroup; a lane keeps ${group.registers} elements.`,
      OP_PARAMS,
      rowGroupMemory(group),
      `
@compute @workgroup_size(${group.invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      registers.place,
      loadRows(registers, residual),
      registers.each((r, column, isInside) =>
        lines(
          `var g${r} = ${elements.type}();`,
          `if (${isInside}) { g${r} = dOutput[first + ${column}]${gamma ? ` * gamma[${column}]` : ''}; }`,
        ),
      ),
      textOf([
        ...normSteps(registers, centred),
        plain(registers.each((r) => `x${r} = ${normalised(r, centred)};`)),
        ...registers.reduce(
          'products',
          `vec2f(${registers.sum((r) => total(`g${r}`))}, ${registers.sum((r) => dot(`g${r}`, `x${r}`))})`,
        ),
      ]),
      'let means = products / params.width;',
      registers.each((r, column, isInside) => {
        const gradient = `(g${r} - ${centred ? 'means.x - ' : ''}x${r} * means.y) * scale`;
        return `if (${isInside}) { dX[first + ${column}] = ${gradient}${sum ? ` + dSum[first + ${column}]` : ''}; }`;
      }),
      keepsStats ? lines('if (own == 0u && isRow) {', store, '}') : '',
      '}',
    ),
  });
}

/** A workgroup of sums owns so many columns, and as many lanes share each. */
export const SUM_COLUMNS = 16;
const SUM_LANES = 16;
const LEAST_CHUNK = 64;
const MOST_CHUNKS = 256;

/** How rows are dealt out: to at most 256 chunks, which the second pass sums. The split depends on their number alone, so sums are the same each time. */
export function rowChunksOf(rows: number): {chunkRows: number; chunks: number} {
  const chunkRows = Math.max(LEAST_CHUNK, SUM_LANES * Math.ceil(rows / MOST_CHUNKS / SUM_LANES));
  return {chunkRows, chunks: Math.ceil(rows / chunkRows)};
}

/** Bytes of scratch: of each row how it was normalised, of each chunk and column two sums. */
export function normScratchBytes(rows: number, width: number): number {
  const elements = statsOf(width) * rows + 2 * rowChunksOf(rows).chunks * normColumns(width);
  return Math.max(16, 4 * (width % 4 === 0 ? 4 : 1) * elements);
}

/** Where of chunk and column the sums of gamma's gradient stand, those of beta's behind them. */
const partialAt = (width: number, chunk: string): string =>
  `${statsOf(width)}u * params.rows + 2u * (${chunk} * params.columns + column)`;

/** Sums over the rows of a chunk, for the gradients of gamma and beta. */
export function columnSumProgram(shape: NormShape, width: number): Program {
  const {centred, gamma, beta, residual} = shape;
  const inFours = width % 4 === 0;
  const stat = (i: number): string => (inFours ? `scratch[row].${'xyz'[i]}` : `scratch[4u * row + ${i}u]`);
  const x = `x[at]${residual ? ' + residual[at]' : ''}`;
  const deviation = centred ? `(((${x}) - ${stat(0)}) - ${stat(1)})` : `(${x})`;
  return sumProgram({
    name: centred ? 'SplatLayerNorm.columnSums' : 'SplatRmsNorm.columnSums',
    says: 'Sums over the rows of a chunk, for the gradients of gamma and beta',
    width,
    gamma,
    beta,
    read: [...(gamma ? (['x'] as const) : []), ...(gamma && residual ? (['residual'] as const) : []), 'dOutput'],
    written: ['scratch'],
    range: ['group.y * params.chunkRows', 'min((group.y + 1u) * params.chunkRows, params.rows)'],
    gather: lines(
      'let at = row * params.columns + column;',
      'let gradient = dOutput[at];',
      gamma ? `ofGamma += gradient * (${deviation} * ${stat(2)});` : '',
      beta ? 'ofBeta += gradient;' : '',
    ),
    store: (name) => `scratch[${partialAt(width, 'group.y')}${name === 'Beta' ? ' + 1u' : ''}]`,
  });
}

/** The gradients of gamma and beta, from the sums of all chunks. */
export function chunkSumProgram({centred, gamma, beta}: NormShape, width: number): Program {
  return sumProgram({
    name: centred ? 'SplatLayerNorm.chunkSums' : 'SplatRmsNorm.chunkSums',
    says: 'The gradients of gamma and beta, from the sums of all chunks',
    width,
    gamma,
    beta,
    read: ['scratch'],
    written: [...(gamma ? (['dGamma'] as const) : []), ...(beta ? (['dBeta'] as const) : [])],
    range: ['0u', 'params.chunks'],
    gather: lines(
      `let at = ${partialAt(width, 'row')};`,
      gamma ? 'ofGamma += scratch[at];' : '',
      beta ? 'ofBeta += scratch[at + 1u];' : '',
    ),
    store: (name) => `d${name}[column]`,
  });
}

interface Sums {
  readonly name: string;
  readonly says: string;
  readonly width: number;
  readonly gamma: boolean;
  readonly beta: boolean;
  readonly read: readonly BindingRole[];
  readonly written: readonly BindingRole[];
  /** Of `row`: begin and end. */
  readonly range: readonly [string, string];
  /** Adds what `row` has in `column` to ofGamma and ofBeta. */
  readonly gather: string;
  /** Where a sum goes. */
  readonly store: (name: 'Gamma' | 'Beta') => string;
}

function sumProgram({name, says, width, gamma, beta, read, written, range, gather, store}: Sums): Program {
  const {type, each: size} = elementsOf(width % 4 === 0);
  const invocations = SUM_COLUMNS * SUM_LANES;
  const names = [...(gamma ? (['Gamma'] as const) : []), ...(beta ? (['Beta'] as const) : [])];
  const units = (invocations * size) / 4;
  const memory = names.map((_, i): Region => ({begin: units * i, end: units * (i + 1)}));
  const sumOf = (of: string): string =>
    tree(
      Array.from({length: SUM_LANES}, (_, i) => `partial${of}[lane + ${SUM_COLUMNS * i}u]`),
      (a, b) => `(${a} + ${b})`,
    );
  return program({
    name,
    bindings: ['params', ...read, ...written],
    writes: written,
    elements: Object.fromEntries([...read, ...written].map((role) => [role, type])),
    workgroupBytes: 4 * size * invocations * names.length,
    invocations,
    code: lines(
      `// ${says}. A workgroup owns ${SUM_COLUMNS} columns, ${SUM_LANES} lanes share each.`,
      OP_PARAMS,
      ...names.map((of) => `var<workgroup> partial${of}: array<${type}, ${invocations}>;`),
      `
@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
let column = group.x * ${SUM_COLUMNS}u + lane % ${SUM_COLUMNS}u;
let isColumn = column < params.columns;`,
      ...names.map((of) => `var of${of} = ${type}();`),
      'if (isColumn) {',
      `for (var row = ${range[0]} + lane / ${SUM_COLUMNS}u; row < ${range[1]}; row += ${SUM_LANES}u) {`,
      gather,
      '}',
      '}',
      textOf([
        {
          name: 'of each lane',
          reads: [],
          writes: memory,
          code: lines(...names.map((of) => `partial${of}[lane] = of${of};`)),
        },
        {
          name: 'of the column',
          reads: memory,
          writes: [],
          code: lines(`if (lane < ${SUM_COLUMNS}u && isColumn) {`, ...names.map((of) => `${store(of)} = ${sumOf(of)};`), '}'),
        },
      ]),
      '}',
    ),
  });
}
