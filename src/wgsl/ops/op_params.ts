import {PARAMS_BYTES} from '../text/params.js';

/** The uniform of norms and activations: what their text does not say, so that one pipeline serves rows of many lengths. */
export const OP_PARAMS = /* wgsl */ `
struct Params {
  rows: u32, columns: u32, // columns: elements of a row, or fours of them
  chunkRows: u32, chunks: u32, // of sums over rows
  width: f32, epsilon: f32,
}
`;

export interface OpNumbers {
  readonly rows: number;
  readonly columns: number;
  readonly chunkRows?: number;
  readonly chunks?: number;
  readonly width?: number;
  readonly epsilon?: number;
}

/** The bytes of `Params`. */
export function packOpParams({rows, columns, chunkRows = 0, chunks = 0, width = 0, epsilon = 0}: OpNumbers): ArrayBuffer {
  const bytes = new ArrayBuffer(PARAMS_BYTES);
  new Uint32Array(bytes).set([rows, columns, chunkRows, chunks]);
  new Float32Array(bytes).set([width, epsilon], 4);
  return bytes;
}

/** How elements are read: in fours where rows consist of them. */
export interface Elements {
  readonly type: 'vec4f' | 'f32';
  readonly each: 4 | 1;
  /** The sum of an element, and of the products of two. */
  total(x: string): string;
  dot(x: string, y: string): string;
}

export const elementsOf = (inFours: boolean): Elements =>
  inFours
    ? {
        type: 'vec4f',
        each: 4,
        total: (x) => `((${x}.x + ${x}.y) + (${x}.z + ${x}.w))`,
        dot: (x, y) => `dot(${x}, ${y})`,
      }
    : {type: 'f32', each: 1, total: (x) => x, dot: (x, y) => `${x} * ${y}`};
