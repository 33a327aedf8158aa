import {PARAMS_BYTES} from '../text/params.js';

/** The uniform of products: all sizes, so that one text serves many. */
export const PRODUCT_PARAMS = /* wgsl */ `
struct Params {
  rows: u32, columns: u32, // of the output
  aRows: u32, aColumns: u32, bRows: u32, bColumns: u32, // of the operands as they lie in memory
  first: u32, end: u32, // records that this dispatch covers
  itemsAt: u32, mergesAt: u32, // words of the schedule
  slots: u32, // of a layer of the grid
}
`;

const MEMBERS = [
  ...(['rows', 'columns', 'aRows', 'aColumns', 'bRows', 'bColumns'] as const),
  ...(['first', 'end', 'itemsAt', 'mergesAt', 'slots'] as const),
] as const;

export type ProductNumbers = Readonly<Record<(typeof MEMBERS)[number], number>>;

/** The bytes of `Params`. */
export function packProductParams(numbers: ProductNumbers): ArrayBuffer {
  const bytes = new ArrayBuffer(PARAMS_BYTES);
  new Uint32Array(bytes).set(MEMBERS.map((name) => numbers[name]));
  return bytes;
}
