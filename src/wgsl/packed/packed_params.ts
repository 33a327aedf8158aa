import {PACKED_HEADER} from '../../product/index.js';
import {gridIndex} from '../text/grid.js';
import {PARAMS_BYTES} from '../text/params.js';
import {lines} from '../text/text.js';

/** The uniform of kernels over packed numbers: all sizes, so that one text serves many. */
export const PACKED_PARAMS = /* wgsl */ `
struct Params {
  first: u32, end: u32, // workgroups that this dispatch covers
  groups: u32, // workgroups of a line, and of some columns of one
  heads: u32, // of the numbers
  nnz: u32, // numbers of a line
  rows: u32,
  slots: u32, // of a line
  headGroup: u32, // heads that read one head of x
  xStrides: vec4u, outputStrides: vec4u, // (sequence, head, row), in rows
  scale: f32, // of the output
}
`;

type Strides = readonly [sequence: number, head: number, row: number];

export interface PackedNumbers {
  readonly first: number;
  readonly end: number;
  readonly groups: number;
  readonly heads: number;
  readonly nnz: number;
  readonly rows: number;
  readonly slots?: number;
  readonly headGroup?: number;
  readonly xStrides?: Strides;
  readonly outputStrides?: Strides;
  readonly scale?: number;
}

const SOME: Strides = [0, 0, 0];

/** The bytes of `Params`. */
export function packPackedParams(numbers: PackedNumbers): ArrayBuffer {
  const {first, end, groups, heads, nnz, rows} = numbers;
  const {slots = 0, headGroup = 1, xStrides = SOME, outputStrides = SOME, scale = 1} = numbers;
  const bytes = new ArrayBuffer(PARAMS_BYTES);
  const words = new Uint32Array(bytes);
  words.set([first, end, groups, heads, nnz, rows, slots, headGroup]);
  words.set(xStrides, 8);
  words.set(outputStrides, 12);
  new Float32Array(bytes)[16] = scale;
  return bytes;
}

/** Where a workgroup stands: `line`, `chunk` of its columns and `block` of its items; lines come last on the grid, so that those at work share what they read. */
export const packedPlace = (shared: boolean, chunks = 1): string =>
  lines(
    `let index = params.first + ${gridIndex(1, '0u')};`,
    'if (index >= params.end) { return; }',
    'let block = index % params.groups;',
    chunks === 1
      ? 'let line = index / params.groups;'
      : `let chunk = index / params.groups % ${chunks}u;\nlet line = index / params.groups / ${chunks}u;`,
    headerAt(shared),
  );

/** What the lists say of a line: see `PackedLists`. */
export const headerAt = (shared: boolean): string =>
  lines(
    `let header = ${shared ? '0u' : `${PACKED_HEADER}u * line`};`,
    'let lists = schedule[header];',
    'let counts = schedule[header + 1u];',
  );

/** Zeros behind the numbers of lines that have fewer than others, by the first workgroup of each. */
export const zerosBehind = (shared: boolean, invocations: number, nnz: string, zero = '0.0'): string =>
  shared
    ? ''
    : lines(
        'if (block == 0u) {',
        `for (var i = u32(counts.y) + lane; i < ${nnz}; i += ${invocations}u) { output[line * ${nnz} + i] = ${zero}; }`,
        '}',
      );
