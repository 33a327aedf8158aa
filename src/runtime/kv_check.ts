import type {Tensor, Tensor1D, Tensor4D} from '@tensorflow/tfjs-core';
import {isList, plainNumber, readOptions, refuse, say, type NamesOf, type OptionWords} from '../support/index.js';
import {MOST_FEATURES, Pattern, reachOf, refusePattern, type Reach, type SlotLayout} from '../compile.js';
import {floats, shapeOf} from './arguments.js';
import {checkPrecision} from './check.js';
import type {NumberArray, Precision} from './options.js';
import {checkScale, checkSoftcap} from './check_scoring.js';

/** The sizes of a `KvCache`, given once. */
export interface KvCacheOptions {
  /** Sequences side by side. Default 1. */
  readonly batch?: number | null | undefined;
  /** Heads of keys and values; queries may have a multiple of it. */
  readonly keyHeads: number;
  /** Features of a query and of a key, 1 to 256. */
  readonly headDim: number;
  /** Features of a value, 1 to 256. Default headDim. */
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
export interface KvAttendOptions {
  /** Factor of query·key. Default 1/√headDim. */
  readonly scale?: number | null | undefined;
  /** Scores s become softcap·tanh(s/softcap). */
  readonly softcap?: number | null | undefined;
  /** float32 [heads]; subtracts slope·distance from the scores. */
  readonly alibiSlopes?: Tensor | NumberArray | null | undefined;
  /** float32 [heads]; a score that takes part in each softmax and has no value. */
  readonly sinks?: Tensor | NumberArray | null | undefined;
  /** New tokens of each sequence; the rest is padding at the end, which is not kept and whose outputs are zeros. Default: all. */
  readonly lengths?: ArrayLike<number | bigint> | null | undefined;
}

/** What every tensor of a cache has in common. */
export interface Sizes {
  readonly batch: number;
  readonly keyHeads: number;
  readonly headDim: number;
  readonly valueDim: number;
}

export interface CacheShape extends Sizes {
  readonly maxStep: number;
  readonly precision: Precision;
  readonly reach: Reach;
  readonly layout: SlotLayout;
  /** Tokens that a sequence may hold. */
  readonly limit: number;
}

/** The tensors of one `attend`, found right. */
export interface Step {
  readonly query: Tensor4D;
  readonly key: Tensor4D;
  readonly value: Tensor4D;
  /** New tokens of each sequence. */
  readonly counts: readonly number[];
  readonly scores: Scores;
}

export interface Scores {
  readonly scale: number;
  readonly softcap?: number;
  readonly alibiSlopes?: Tensor1D;
  readonly sinks?: Tensor1D;
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
/** Of `KvCache.attend`. */
export const ATTEND_NAMES: NamesOf<KvAttendOptions> = {scale: true, softcap: true, alibiSlopes: true, sinks: true, lengths: true};
const CACHE_WORDS: OptionWords = {
  all: 'KvCache options',
  expected: 'an object such as {keyHeads: 8, headDim: 64}',
  cure: 'Name each option.',
  one: (name) => `KvCache option '${name}'`,
};
const ATTEND_WORDS: OptionWords = {
  all: 'options',
  expected: 'an object such as {scale: 0.125}',
  cure: 'Name each option.',
  one: (name) => `option '${name}'`,
};
/** Positions are 32-bit integers. */
const MAX_LENGTH = 2 ** 31 - 1;

/** The shape of a cache, or a refusal. */
export function checkCache(pattern: Pattern, given: KvCacheOptions): CacheShape {
  const reach = checkPattern(pattern);
  const options = readOptions(given, CACHE_NAMES, CACHE_WORDS);
  const size = (name: keyof KvCacheOptions, fallback: number | undefined, least: number, most = MAX_LENGTH): number => {
    const given = options[name] ?? fallback;
    if (Number.isInteger(given) && Number(given) >= least && Number(given) <= most) return given as number;
    const wide =
      most === MOST_FEATURES && Number(given) > most ? 'Its kernels take no more: call sparseAttention on all keys.' : null;
    const cure = given === undefined ? 'Give it; it has no default.' : (wide ?? 'Pass it as a whole number.');
    return refuse(`KvCache option ${name}`, say(given), `a whole number from ${least} to ${most}`, cure);
  };
  const batch = size('batch', 1, 1);
  const keyHeads = size('keyHeads', undefined, 1);
  const headDim = size('headDim', undefined, 1, MOST_FEATURES);
  const valueDim = size('valueDim', headDim, 1, MOST_FEATURES);
  const rollback = size('rollback', 0, 0);
  const maxStep = size('maxStep', 16, 1);
  const precision = checkPrecision(options.precision);
  const maxLength = options.maxLength === undefined ? undefined : size('maxLength', undefined, 1);

  const {layout, limit} = layOut(pattern, reach, maxStep + rollback, maxLength);
  const capacity = layout.sinks + layout.ring;
  if (batch * keyHeads * capacity * Math.max(headDim, valueDim) > MAX_LENGTH) {
    const cure = 'Give a smaller maxLength, or several caches of fewer sequences or heads.';
    refuse('KvCache', `${capacity} slots for each head of ${batch} sequences`, 'fewer than 2³¹ numbers', cure);
  }
  return {batch, keyHeads, headDim, valueDim, maxStep, precision, reach, layout, limit};
}

function checkPattern(pattern: Pattern): Reach {
  if (!(pattern instanceof Pattern)) refusePattern('pattern', pattern);
  const reach = reachOf(pattern);
  if (reach.fixedLength) {
    refuse(
      'pattern of a KvCache',
      'documents() or a mask, which are written for certain lengths',
      'a pattern that fits sequences that grow',
      'Give each document a sequence of the batch, or describe the mask with slidingWindow, strided and the like.',
    );
  }
  if (reach.ahead > 0) {
    const far = reach.ahead === Infinity ? 'any number of' : `up to ${reach.ahead}`;
    refuse(
      'pattern of a KvCache',
      `${String(pattern)}, which attends ${far} tokens ahead`,
      'a causal pattern: those tokens do not exist yet',
      'Add .and(causal()).',
    );
  }
  return reach;
}

/** `spare` slots beyond the reach take the tokens of a step and let tokens be forgotten. */
function layOut(
  pattern: Pattern,
  {sinks, back}: Reach,
  spare: number,
  maxLength: number | undefined,
): {layout: SlotLayout; limit: number} {
  if (maxLength === undefined && back === Infinity) {
    refuse(
      'KvCache option maxLength',
      `nothing, beside ${String(pattern)}, which reaches back without end`,
      'the number of tokens that a sequence may grow to',
      'Give it, or bound the pattern with .and(slidingWindow({left})).',
    );
  }
  const needed = sinks + back + spare;
  if (maxLength === undefined || maxLength >= needed) return {layout: {sinks, ring: back + spare}, limit: MAX_LENGTH};
  // Nothing wraps, so that this ring is no shorter than it has to be.
  const kept = Math.min(sinks, maxLength);
  return {layout: {sinks: kept, ring: maxLength - kept}, limit: maxLength};
}

/** The arguments of `attend`, or a refusal. */
export function checkStep(
  inputs: Readonly<Record<'query' | 'key' | 'value', Tensor | NumberArray>>,
  asked: KvAttendOptions,
  {batch, keyHeads, headDim, valueDim}: Sizes,
): Step {
  const options = readOptions(asked, ATTEND_NAMES, ATTEND_WORDS);
  const [query, key, value] = (['query', 'key', 'value'] as const).map((name) => floats(name, inputs[name]));
  const tokens = query!.shape[2];
  const expect = (name: string, tensor: Tensor, names: string, shape: readonly unknown[], cure: string): void => {
    if (tensor.rank === shape.length && shape.every((size, i) => size === tensor.shape[i])) return;
    refuse(name, `shape ${shapeOf(tensor)}`, `${names} = [${shape.join(', ')}]`, cure);
  };
  const heads = query!.shape[1] ?? 0;
  const cure = 'The sizes were given to the cache when it was made.';
  expect('query', query!, '[batch, heads, tokens, headDim]', [batch, heads, tokens ?? 'tokens', headDim], cure);
  if (heads === 0 || heads % keyHeads !== 0) {
    refuse(
      'heads of query',
      String(heads),
      `a multiple of ${keyHeads}, the keyHeads of the cache`,
      'Several query heads may share one key head.',
    );
  }
  const same = 'Every new token brings its query, its key and its value.';
  expect('key', key!, '[batch, keyHeads, tokens, headDim]', [batch, keyHeads, tokens, headDim], same);
  expect('value', value!, '[batch, keyHeads, tokens, valueDim]', [batch, keyHeads, tokens, valueDim], same);

  const perHead = (name: 'alibiSlopes' | 'sinks'): Partial<Record<typeof name, Tensor1D>> => {
    const given = options[name];
    if (given === undefined) return {};
    const tensor = floats(name, given);
    expect(name, tensor, '[heads]', [heads], 'Give one number for each head of query.');
    return {[name]: tensor as Tensor1D};
  };
  const softcap = checkSoftcap(options.softcap);
  const scale = checkScale(options.scale, headDim);
  const all = new Array<number>(batch).fill(tokens!);
  const counts =
    options.lengths === undefined
      ? all
      : checkCounts('option lengths', options.lengths, all, (b) => `0 to ${tokens}, the new tokens that sequence ${b} brings`);
  return {
    ...({query, key, value} as Record<'query' | 'key' | 'value', Tensor4D>),
    counts,
    scores: {scale, ...(softcap !== undefined && {softcap}), ...perHead('alibiSlopes'), ...perHead('sinks')},
  };
}

/** One whole number for each sequence, from 0 to its entry of `most`. A number stands for a list of it, where one may be given. */
export function checkCounts(
  name: string,
  given: unknown,
  most: readonly number[],
  range: (sequence: number, most: number) => string,
): number[] {
  const single = plainNumber(given);
  const counts: unknown = typeof single === 'number' && name === 'rollback' ? most.map(() => single) : given;
  if (!isList(counts) || counts.length !== most.length) {
    const found = isList(given) ? `${given.length} numbers` : say(given);
    return refuse(name, found, `an array of ${most.length}, one number for each sequence`, 'Sequences without new tokens get 0.');
  }
  return Array.from(counts, (entry, b) => {
    const count = plainNumber(entry);
    if (Number.isInteger(count) && Number(count) >= 0 && Number(count) <= most[b]!) return count as number;
    return refuse(name, say(entry), `a whole number from ${range(b, most[b]!)}`, 'Count tokens.');
  });
}
