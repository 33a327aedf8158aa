import type {Tensor} from '@tensorflow/tfjs-core';
import type {NamesOf, OptionWords} from '../../support/index.js';
import type {Layout, Precision} from '../../pure.js';
import type {NumberArray} from '../given/number_array.js';
import {cachedTerms, termNames, type CachedOptions} from '../terms/terms.js';

/** The sizes of a `KvCache`, given once. */
export interface KvCacheOptions {
  /** Sequences side by side. Default 1. */
  readonly batch?: number | null | undefined;
  /** Heads of keys and values; queries may have a multiple of it. */
  readonly keyHeads: number;
  /** Features of a query and of a key. More than 256, here or of a value, are slower on WebGPU: TensorFlow.js ops keep them, copying all slots in each step. */
  readonly headDim: number;
  /** Features of a value. Default headDim. */
  readonly valueDim?: number | null | undefined;
  /** Tokens that a sequence may grow to. Patterns that reach back without end need it; for others it only saves memory when small. */
  readonly maxLength?: number | null | undefined;
  /** How many tokens `rollback` can take a sequence back at least, counted from the longest that it has been. Default 0. */
  readonly rollback?: number | null | undefined;
  /** Tokens that are appended at a time; longer appends take several steps. Default 16. */
  readonly maxStep?: number | null | undefined;
  /** `float16` halves the memory (WebGPU only). Default `float32`. */
  readonly precision?: Precision | null | undefined;
}

/** What `KvCache.attend` takes beside its tensors, as in `sparseAttention`. */
export interface KvAttendOptions extends CachedOptions {
  /** Factor of query·key. Default 1/√headDim. */
  readonly scale?: number | null | undefined;
  /**
   * float32 [heads or 1, entries], added by distance, in one of two sizes. [heads or 1, 2·length − 1] is that of one call over a whole
   * sequence of `length` tokens, at least as long as the sequences get, and can be the same in every step: entry
   * key − query + length − 1. [heads or 1, tokens + keyLength − 1], where keyLength is `tokens` more than the longest sequence holds, is
   * that of one call for the new tokens: entry key − query + keyLength − 1, in positions.
   */
  readonly relativeBias?: Tensor | NumberArray | null | undefined;
  /**
   * float32, broadcastable to [batch, heads, tokens, keyLength], added to the scaled scores. Column k is for the token at position k of
   * its sequence, kept or not, new ones included; there may be more columns than tokens. −Infinity excludes a key.
   */
  readonly bias?: Tensor | NumberArray | null | undefined;
  /** New tokens of each sequence; the rest is padding at the end, which is not kept and whose outputs are zeros. Default: all. */
  readonly lengths?: ArrayLike<number | bigint> | null | undefined;
  /** `blhd`: query, key, value and the output are [batch, tokens, heads, dim]. Default `bhld`. One token costs no transpose. */
  readonly layout?: Layout | null | undefined;
}

/** Of a `KvCache`. */
export const CACHE_NAMES: NamesOf<KvCacheOptions> = {
  batch: true,
  keyHeads: true,
  headDim: true,
  valueDim: true,
  maxLength: true,
  rollback: true,
  maxStep: true,
  precision: true,
};
const OWN_NAMES: NamesOf<Omit<KvAttendOptions, keyof CachedOptions>> = {
  scale: true,
  relativeBias: true,
  bias: true,
  lengths: true,
  layout: true,
};

let known: {readonly of: readonly string[]; readonly names: NamesOf<KvAttendOptions>} | null = null;

/** Of `KvCache.attend`. */
export function attendNames(): NamesOf<KvAttendOptions> {
  const of = termNames();
  if (known?.of !== of) {
    const names = Object.assign({}, ...cachedTerms().map(({options}) => options)) as NamesOf<CachedOptions>;
    known = {of, names: {...OWN_NAMES, ...names}};
  }
  return known.names;
}
export const CACHE_WORDS: OptionWords = {
  all: 'KvCache options',
  expected: 'an object such as {keyHeads: 8, headDim: 64}',
  cure: 'Name each option.',
  one: (name) => `KvCache option '${name}'`,
  elsewhere: {
    batch: ['batchSize', 'sequences', 'beams', 'numBeams'],
    keyHeads: ['heads', 'numHeads', 'kvHeads', 'numKvHeads', 'numKeyValueHeads'],
    headDim: ['dim', 'keyDim', 'headSize', 'features'],
    maxLength: ['length', 'maxTokens', 'maxSequenceLength', 'maxSeqLen', 'capacity'],
    precision: ['dtype', 'storage'],
  },
};
export const ATTEND_WORDS: OptionWords = {
  all: 'options',
  expected: 'an object such as {scale: 0.125}',
  cure: 'Name each option.',
  one: (name) => `option '${name}'`,
  elsewhere: {lengths: ['keyLengths', 'tokens', 'counts']},
};
