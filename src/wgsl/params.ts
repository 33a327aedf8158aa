import type {CallParams} from './program.js';

/** The uniform every program reads. One struct for all: a program ignores what it does not need. */
export const PARAMS = /* wgsl */ `
struct Params {
  queryLength: u32, keyLength: u32, heads: u32, flags: u32,
  // Pair offsets into the schedule: the first item (or merge) of this pass, the first span, the first interval.
  first: u32, spans: u32, intervals: u32, wordsPerRow: u32,
  scale: f32,       // of the scores, times log2(e)
  slotBase: u32,    // vec4 offset of the first slot in scratch
  slots: u32,       // per head and batch
  flagBase: u32,    // vec4 offset of the flags in scratch
  biasStrides: vec4u, // (batch, head, query, key), elements; 0 broadcasts
  maskStrides: vec4u, // (batch, head, query, key): words of maskWords, 0 broadcasts
}
`;

/** Rows already hold an output, a maximum and a sum from an earlier pass. */
export const CONTINUES = 1;
/** A later pass wants the maximum and sum of the rows. */
export const KEEPS_SUM = 2;

export interface FixedParams {
  readonly queryLength: number;
  readonly keyLength: number;
  readonly heads: number;
  readonly flags: number;
  readonly first: number;
  readonly spans: number;
  readonly intervals: number;
  readonly wordsPerRow: number;
  readonly slotBase: number;
  readonly slots: number;
  readonly flagBase: number;
  readonly maskStrides: readonly [number, number, number, number];
}

/** The bytes of `Params`. */
export function packParams(fixed: FixedParams, {scale, biasStrides}: CallParams): ArrayBuffer {
  const bytes = new ArrayBuffer(80);
  const words = new Uint32Array(bytes);
  words.set([fixed.queryLength, fixed.keyLength, fixed.heads, fixed.flags]);
  words.set([fixed.first, fixed.spans, fixed.intervals, fixed.wordsPerRow], 4);
  // A smaller scale would not hide what is hidden before it; this one is as good as zero.
  new Float32Array(bytes)[8] = (Math.abs(scale) < 1e-30 ? 1e-30 : scale) * Math.LOG2E;
  words.set([fixed.slotBase, fixed.slots, fixed.flagBase], 9);
  words.set(biasStrides ?? [0, 0, 0, 0], 12);
  words.set(fixed.maskStrides, 16);
  return bytes;
}
