import {factorsOf} from './scale.js';
import type {CallParams, Layout} from './program.js';

/** A member of `Params`, with its value: one for each element of a vector. */
export interface Field {
  readonly name: string;
  readonly type: 'u32' | 'f32' | 'vec4u';
  readonly values: readonly number[];
}

const membersText = (fields: readonly Pick<Field, 'name' | 'type'>[]): string =>
  fields.length === 0
    ? ''
    : `// Of the terms of scores: their numbers, and the pair offsets of their tensors behind the schedule.
  ${fields.map(({name, type}) => `${name}: ${type},`).join(' ')}
`;

/** The uniform every program reads, with what terms of scores add to it. One struct for all: a program ignores what it does not need. */
export const paramsText = (fields: readonly Pick<Field, 'name' | 'type'>[]): string => /* wgsl */ `
struct Params {
  queryLength: u32, keyLength: u32, heads: u32, flags: u32,
  // Pair offsets into the schedule: the first item (or merge) of this pass, the first span, the first interval, the first mask bits.
  first: u32, spans: u32, intervals: u32, maskBits: u32,
  scale: f32,       // of products: to scores in their unit, or to multiples of the softcap
  slotBase: u32,    // vec4 offset of the first slot in scratch
  slots: u32,       // per head and batch
  flagBase: u32,    // vec4 offset of the flags in scratch
  maskStrides: vec4u, // (batch, head, query, 64 keys): pairs of mask bits, 0 broadcasts
  keyHeads: u32,
  groupSize: u32,     // query heads of a key head
  packedHeads: u32,   // query heads whose rows follow one another in a line
  queryOffset: i32,   // position of query 0 among the keys
  // In rows of a tensor: (head, row, sequence, where the first begins). Values lie as keys do, so many rows behind them.
  queryStrides: vec4u, keyStrides: vec4u,
  outputStrides: vec2u, // (head, row)
  valuesBehind: u32,
  pairs: u32,          // of mask bits
  batch: u32,
  // Of a backward pass: where the share begins that a dispatch covers, and its heads.
  firstBatch: u32, firstHead: u32, shareHeads: u32,
  sideScale: f32,     // of queries and of keys, where the scale is far from 1
  gradientScale: f32, // of sums of keys or queries, each times the gradient of its score
  valueScale: f32,    // of values, a power of two, so that no sum of them is past float32
  // Pair offsets into the schedule: what a cache holds, the first list of rows or keys, the first bits.
  held: u32, numbers: u32, bits: u32,
${membersText(fields)}}
`;

export const PARAMS = paramsText([]);

/** Rows already hold an output, a maximum and a sum from an earlier pass. */
export const CONTINUES = 1;
/** Somebody wants the maximum and sum of the rows: a later pass, or the caller. */
export const KEEPS_SUM = 2;

/** Items lie along the first dimension of the grid, heads along the second. Of row-wise passes alone. */
export const ITEMS_FIRST = 4;

/** Gradients of scores are summed over the batch, and over heads. */
export const SUMS_BATCH = 8;
export const SUMS_HEADS = 16;

export interface FixedParams {
  readonly queryLength: number;
  readonly keyLength: number;
  readonly heads: number;
  readonly flags: number;
  readonly first: number;
  readonly spans: number;
  readonly intervals: number;
  readonly maskBits: number;
  readonly slotBase: number;
  readonly slots: number;
  readonly flagBase: number;
  readonly maskStrides: readonly [number, number, number, number];
  /** Kernels read copies of query, key and value, which hold nothing else, whatever the tensors of the call do. */
  readonly copies: boolean;
  readonly keyHeads: number;
  readonly groupSize: number;
  readonly packedHeads: number;
  readonly queryOffset: number;
  /** Pair offset of what a cache holds. */
  readonly held: number;
  readonly numbers: number;
  readonly bits: number;
  readonly pairs: number;
  readonly batch: number;
  /** (firstBatch, firstHead, heads) of the share of a backward pass. */
  readonly share: readonly [number, number, number];
  /** Of scores: see `hasFarScores`. */
  readonly unit: number;
  readonly farScale: boolean;
  /** The most keys whose values a row adds up; 0 where nothing does. */
  readonly rowKeys: number;
}

/**
 * What values are multiplied by where their weights sum up to no more than `weights`: sums are then below 4/5 of the largest float, whatever
 * was rounded. In return values below 3e-38 · weights may vanish.
 */
export const valueScale = (weights: number): number => (weights <= 1 ? 1 : 2 ** -Math.ceil(Math.log2(1.25 * weights)));

/** The largest whole number that has the scale of this one. */
export const mostOfScale = (weights: number): number => (weights <= 1 ? weights : Math.floor(0.8 / valueScale(weights)));

/** Bytes of a uniform buffer: the struct without fields, and room for 22 numbers of terms. */
export const PARAMS_BYTES = 256;
const OWN_WORDS = 42;

/** The bytes of `Params`. `kept` is the largest factor that a probability may have beside its share of a row. */
export function packParams(fixed: FixedParams, call: CallParams, fields: readonly Field[] = [], kept = 1): ArrayBuffer {
  const {layout = 'bhld'} = call;
  const {queryLength, keyLength, heads, keyHeads} = fixed;
  const bytes = new ArrayBuffer(PARAMS_BYTES);
  const words = new Uint32Array(bytes);
  const floats = new Float32Array(bytes);
  words.set([queryLength, keyLength, heads, fixed.flags]);
  words.set([fixed.first, fixed.spans, fixed.intervals, fixed.maskBits], 4);
  const {product, side, gradient} = factorsOf(call, fixed);
  floats[8] = product;
  words.set([fixed.slotBase, fixed.slots, fixed.flagBase], 9);
  words.set(fixed.maskStrides, 12);
  words.set([keyHeads, fixed.groupSize, fixed.packedHeads], 16);
  new Int32Array(bytes)[19] = fixed.queryOffset;
  const within = fixed.copies ? undefined : call.within;
  const query = stridesOf(layout, heads, queryLength);
  const key = stridesOf(layout, keyHeads, keyLength);
  words.set(within === undefined ? query : stridesWithin(within.queryRows, within.queryFirst, queryLength), 20);
  words.set(within === undefined ? key : stridesWithin(within.keyRows, within.keyFirst, keyLength), 24);
  words.set([query[0], query[1]], 28);
  // Modulo 2^32 where values come before keys, and so it is added.
  words.set([within === undefined ? 0 : within.valueFirst - within.keyFirst, fixed.pairs, fixed.batch, ...fixed.share], 30);
  floats.set([side, gradient, valueScale(fixed.rowKeys * kept)], 36);
  words.set([fixed.held, fixed.numbers, fixed.bits], 39);
  let at = OWN_WORDS;
  for (const {type, values} of fields) {
    at = values.length * Math.ceil(at / values.length);
    (type === 'f32' ? floats : words).set(values, at);
    at += values.length;
  }
  return bytes;
}

type Strides = readonly [head: number, row: number, sequence: number, first: number];

/** Of a tensor that holds these heads alone. */
const stridesOf = (layout: Layout, heads: number, length: number): Strides =>
  layout === 'bhld' ? [length, 1, heads * length, 0] : [1, heads, heads * length, 0];

/** Of a tensor with so many rows for each token. */
const stridesWithin = (rows: number, first: number, length: number): Strides => [1, rows, rows * length, first];
