import {factorsOf} from './scale.js';
import type {CallParams} from './program.js';

/** The uniform every program reads. One struct for all: a program ignores what it does not need. */
export const PARAMS = /* wgsl */ `
struct Params {
  queryLength: u32, keyLength: u32, heads: u32, flags: u32,
  // Pair offsets into the schedule: the first item (or merge) of this pass, the first span, the first interval, the first mask bits.
  first: u32, spans: u32, intervals: u32, maskBits: u32,
  scale: f32,       // of products: to scores in their unit, or to multiples of the softcap
  slotBase: u32,    // vec4 offset of the first slot in scratch
  slots: u32,       // per head and batch
  flagBase: u32,    // vec4 offset of the flags in scratch
  biasStrides: vec4u, // (batch, head, query, key), elements; 0 broadcasts
  maskStrides: vec4u, // (batch, head, query, 64 keys): pairs of mask bits, 0 broadcasts
  keyHeads: u32,
  groupSize: u32,     // query heads of a key head
  packedHeads: u32,   // query heads whose rows follow one another in a line
  queryOffset: i32,   // position of query 0 among the keys
  queryStrides: vec2u, keyStrides: vec2u, // (head, row) in rows of a tensor
  softcap: f32,       // in the unit of scores
  seed: u32,          // mixed
  dropped: u32,       // a pair is kept from this hash on
  keptScale: f32,     // 1 / (1 - rate of dropout)
  // Pair offsets into the schedule of what a call adds: one word a pair.
  keyLengths: u32, querySegments: u32, keySegments: u32, alibiSlopes: u32,
  sinks: u32, relativeBias: u32,
  relativeStride: u32, // of a head; 0 broadcasts
  pairs: u32,          // of mask bits
  batch: u32,
  // Of a backward pass: where the share begins that a dispatch covers, and its heads.
  firstBatch: u32, firstHead: u32, shareHeads: u32,
  sideScale: f32,     // of queries and of keys, where the scale is far from 1
  gradientScale: f32, // of sums of keys or queries, each times the gradient of its score
}
`;

/** Rows already hold an output, a maximum and a sum from an earlier pass. */
export const CONTINUES = 1;
/** Somebody wants the maximum and sum of the rows: a later pass, or the caller. */
export const KEEPS_SUM = 2;
/** Items say which sequence of the batch they belong to. */
export const RAGGED = 4;

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
  readonly keyHeads: number;
  readonly groupSize: number;
  readonly packedHeads: number;
  readonly queryOffset: number;
  /** Of keyLengths, querySegments, keySegments, alibiSlopes, sinks, relativeBias. */
  readonly extras: readonly [number, number, number, number, number, number];
  readonly pairs: number;
  readonly batch: number;
  /** (firstBatch, firstHead, heads) of the share of a backward pass. */
  readonly share: readonly [number, number, number];
  /** Of scores: see `hasFarScores`. */
  readonly unit: number;
  readonly farScale: boolean;
}

/** Exchanges neighbouring bits until they look random: lowbias32 of Chris Wellons' hash prospector. */
export function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** Size of `Params`: whole vec4. */
export const PARAMS_BYTES = 192;

/** The bytes of `Params`. */
export function packParams(fixed: FixedParams, call: CallParams): ArrayBuffer {
  const {biasStrides, layout = 'bhld', dropout = 0, seed = 0, relativeHeads = 1} = call;
  const {queryLength, keyLength, heads, keyHeads} = fixed;
  const bytes = new ArrayBuffer(PARAMS_BYTES);
  const words = new Uint32Array(bytes);
  const floats = new Float32Array(bytes);
  words.set([queryLength, keyLength, heads, fixed.flags]);
  words.set([fixed.first, fixed.spans, fixed.intervals, fixed.maskBits], 4);
  const {product, side, gradient, softcap} = factorsOf(call, fixed);
  floats[8] = product;
  words.set([fixed.slotBase, fixed.slots, fixed.flagBase], 9);
  words.set(biasStrides ?? [0, 0, 0, 0], 12);
  words.set(fixed.maskStrides, 16);
  words.set([keyHeads, fixed.groupSize, fixed.packedHeads], 20);
  new Int32Array(bytes)[23] = fixed.queryOffset;
  words.set(layout === 'bhld' ? [queryLength, 1, keyLength, 1] : [1, heads, 1, keyHeads], 24);
  floats[28] = softcap;
  words.set([mix(seed), Math.floor(dropout * 2 ** 32)], 29);
  floats[31] = 1 / (1 - dropout);
  words.set(fixed.extras, 32);
  words.set(
    [relativeHeads === 1 ? 0 : queryLength / fixed.packedHeads + keyLength - 1, fixed.pairs, fixed.batch, ...fixed.share],
    38,
  );
  floats.set([side, gradient], 44);
  return bytes;
}
