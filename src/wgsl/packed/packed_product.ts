import {program} from '../text/make_program.js';
import {rowAccess, type RowAccess} from '../text/row_access.js';
import type {Program} from '../text/program.js';
import {each, lines} from '../text/text.js';
import {plain, textOf, type Flow, type Region} from '../tile/flow.js';
import {PACKED_PARAMS, packedPlace} from './packed_params.js';

/** What the text of a product of packed rows with a dense matrix depends on. */
export interface PackedProductShape {
  /** Numbers of a row of x. */
  readonly dim: number;
  readonly shared: boolean;
  /** Rows of the output are columns of the table. */
  readonly transposed: boolean;
  /** Some rows are computed in parts. */
  readonly inParts: boolean;
  /** What a number of 0 multiplies may be anything: of gradients, where nothing comes back for hidden pairs. */
  readonly zeroHides: boolean;
  /** Numbers of a row that are multiplied a trip. */
  readonly unroll: 4 | 8;
}

const INVOCATIONS = 64;
const MERGE_INVOCATIONS = 256;
const MOST_LANES = 16;
/** Vectors of a lane; wider rows are computed in chunks. */
const MOST_FOURS = 4;

/** How the columns of x are shared out. */
export interface PackedColumnsShape {
  /** Of an output row: a power of two. */
  readonly lanes: number;
  /** Vectors of four columns of a lane. */
  readonly fours: number;
  /** Parts of a row, a workgroup each. */
  readonly chunks: number;
}

/** 16 lanes of a vec4 each have a row of 64 columns, with no exchange (lab, H200, 2026-11-29: 8 lanes of two are equal, shuffled indices 8 % slower). */
export function packedColumns(dim: number): PackedColumnsShape {
  const columns = Math.max(1, Math.ceil(dim / 4));
  const lanes = Math.min(MOST_LANES, 2 ** Math.ceil(Math.log2(columns)));
  const fours = Math.min(MOST_FOURS, Math.ceil(columns / lanes));
  return {lanes, fours, chunks: Math.ceil(columns / (lanes * fours))};
}

/** Rows of a workgroup. */
export const packedProductRows = (dim: number): number => INVOCATIONS / packedColumns(dim).lanes;

/** Each column of a lane, and the condition under which it is one; null for always. */
function eachFour(dim: number, text: (j: number, column: string, inside: string | null) => string): string {
  const {lanes, fours, chunks} = packedColumns(dim);
  const columns = Math.ceil(dim / 4);
  return each(fours, (j) => {
    const column = chunks === 1 && j === 0 ? 'own' : `own + ${chunks === 1 ? '' : `chunk * ${lanes * fours}u + `}${lanes * j}u`;
    return text(j, column, lanes * fours * chunks === columns ? null : `${column} < ${columns}u`);
  });
}

const inside = (condition: string | null, code: string): string => (condition === null ? code : `if (${condition}) { ${code} }`);

/** The row of the output, times the scale. */
const storeRow = (output: RowAccess, dim: number): string =>
  lines(
    `let to = ${output.base('(batch * params.outputStrides.x + head * params.outputStrides.y + row * params.outputStrides.z)')};`,
    eachFour(dim, (j, column, condition) => inside(condition, output.store('to', column, `o${j} * params.scale`))),
  );

const SEQUENCE = /*#__PURE__*/ lines('let batch = line / params.heads;', 'let head = line % params.heads;');

/** Packed numbers times dense rows: an output row is the sum of those of its pairs. Lanes have columns and meet all pairs, so nothing is exchanged. */
export function packedProductProgram(shape: PackedProductShape): Program {
  const {dim, shared, transposed, inParts, zeroHides, unroll} = shape;
  const {lanes, fours, chunks} = packedColumns(dim);
  const [x, output] = [rowAccess('x', dim), rowAccess('output', dim, true)];
  const pair = (k: number): string =>
    transposed
      ? `let pair${k} = schedule[columns + place${k}]; let row${k} = u32(pair${k}.x); let from${k} = numbers + u32(pair${k}.y);`
      : `let pair${k} = schedule[columns + (place${k} >> 1u)]; let row${k} = u32(select(pair${k}.x, pair${k}.y, (place${k} & 1u) == 1u)); let from${k} = numbers + place${k};`;
  const weighed = (k: number, j: number): string => (zeroHides ? `select(x${k}_${j}, vec4f(), w${k} == 0.0)` : `x${k}_${j}`);
  return program({
    name: 'SplatSpmm',
    bindings: ['params', 'values', 'x', 'schedule', 'output', ...(inParts ? (['scratch'] as const) : [])],
    writes: ['output', ...(inParts ? (['scratch'] as const) : [])],
    elements: {values: 'f32', x: x.element, schedule: 'vec2i', output: output.element, scratch: 'vec4f'},
    workgroupBytes: 0,
    invocations: INVOCATIONS,
    code: lines(
      `// Packed numbers times rows of ${dim}; ${lanes} invocations have a row of the output, ${unroll} numbers a trip.`,
      PACKED_PARAMS,
      x.functions,
      output.functions,
      `
@compute @workgroup_size(${INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      packedPlace(shared, chunks),
      `let own = lane % ${lanes}u;`,
      `let item = block * ${INVOCATIONS / lanes}u + lane / ${lanes}u;`,
      inParts
        ? lines(
            'if (item >= u32(counts.x)) { return; }',
            'let record = u32(schedule[header + 2u].x) + 2u * item;',
            'let part = schedule[record];',
            'let row = u32(part.x);',
            'let span = schedule[record + 1u];',
          )
        : lines('if (item >= params.rows) { return; }', 'let row = item;', 'let span = schedule[u32(lists.x) + row];'),
      SEQUENCE,
      `let columns = u32(lists.y);`,
      'let numbers = line * params.nnz;',
      'let sequence = batch * params.xStrides.x + head / params.headGroup * params.xStrides.y;',
      each(fours, (j) => `var o${j} = vec4f();`),
      'let end = u32(span.y);',
      `for (var at = u32(span.x); at < end; at += ${unroll}u) {`,
      // Behind the end the last pair counts again, times 0.
      each(unroll, (k) => (k === 0 ? 'let place0 = at;' : `let place${k} = min(at + ${k}u, end - 1u);`)),
      each(unroll, pair),
      each(unroll, (k) => (k === 0 ? 'let w0 = values[from0];' : `let w${k} = select(0.0, values[from${k}], at + ${k}u < end);`)),
      each(unroll, (k) => `let base${k} = ${x.base(`(sequence + row${k} * params.xStrides.z)`)};`),
      each(unroll, (k) => eachFour(dim, (j, column) => `let x${k}_${j} = ${x.load(`base${k}`, column)};`)),
      each(unroll, (k) => each(fours, (j) => `o${j} = fma(vec4f(w${k}), ${weighed(k, j)}, o${j});`)),
      '}',
      inParts
        ? lines(
            'if (part.y > 0) {',
            `let slot = (line * params.slots + u32(part.y) - 1u) * ${Math.ceil(dim / 4)}u;`,
            eachFour(dim, (j, column, condition) => inside(condition, `scratch[slot + ${column}] = o${j};`)),
            'return;',
            '}',
          )
        : '',
      storeRow(output, dim),
      '}',
    ),
  });
}

/**
 * Adds the parts of a row, always in the same order: as many at a time as a workgroup has lanes for, then by halves. (8 rows of 8,000 among
 * rows of 16, cut at 64: .0188 ms, .0458 one part after the other; lab, H200, 2026-11-29.)
 */
export function packedMergeProgram({dim, shared}: Pick<PackedProductShape, 'dim' | 'shared'>): Program {
  const {lanes, fours, chunks} = packedColumns(dim);
  const output = rowAccess('output', dim, true);
  const atOnce = MERGE_INVOCATIONS / lanes;
  const columns = Math.ceil(dim / 4);
  const memory: Region = {begin: 0, end: MERGE_INVOCATIONS};
  const halves = (j: number): Flow[] => {
    const steps: Flow[] = [{name: `parts of ${atOnce} lanes`, reads: [], writes: [memory], code: `sums[lane] = o${j};`}];
    for (let count = atOnce / 2; count >= 1; count /= 2) {
      const add = `if (lane < ${count * lanes}u) { sums[lane] += sums[lane + ${count * lanes}u]; }`;
      steps.push({name: `halves: ${count}`, reads: [memory], writes: [memory], code: add});
    }
    return [...steps, {name: 'the row', reads: [memory], writes: [], code: `o${j} = sums[own];`}];
  };
  return program({
    name: 'SplatSpmm.merge',
    bindings: ['params', 'schedule', 'output', 'scratch'],
    writes: ['output'],
    elements: {schedule: 'vec2i', output: output.element, scratch: 'vec4f'},
    workgroupBytes: 16 * MERGE_INVOCATIONS,
    invocations: MERGE_INVOCATIONS,
    code: lines(
      `// The sum of the parts of a row of ${dim}.`,
      PACKED_PARAMS,
      output.functions,
      `var<workgroup> sums: array<vec4f, ${MERGE_INVOCATIONS}>;
@compute @workgroup_size(${MERGE_INVOCATIONS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {`,
      packedPlace(shared, chunks),
      `let own = lane % ${lanes}u;`,
      'let record = u32(schedule[header + 2u].y) + 2u * block;',
      'let merge = schedule[record];',
      'let row = u32(merge.x);',
      'let parts = u32(schedule[record + 1u].x);',
      SEQUENCE,
      textOf([
        plain(
          lines(
            each(fours, (j) => `var o${j} = vec4f();`),
            `for (var part = lane / ${lanes}u; part < parts; part += ${atOnce}u) {`,
            `let slot = (line * params.slots + u32(merge.y) + part) * ${columns}u;`,
            eachFour(dim, (j, column) => `o${j} += scratch[slot + ${column}];`),
            '}',
          ),
        ),
        ...Array.from({length: fours}, (_, j) => halves(j)).flat(),
        plain(lines(`if (lane < ${lanes}u && parts > 0u) {`, storeRow(output, dim), '}')),
      ]),
      '}',
    ),
  });
}
