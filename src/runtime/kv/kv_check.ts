import {isList, plainNumber, readOptions, refuse, say} from '../../support/index.js';
import {isWide, MOST_FEATURES, Pattern, reachOf, refusePattern, type Reach, type SlotLayout, type Precision} from '../../pure.js';
import {checkPrecision} from '../call/check.js';
import type {Progress} from './kv_progress.js';
import {CACHE_NAMES, CACHE_WORDS, type KvCacheOptions} from './kv_options.js';

/** What every tensor of a cache has in common. */
export interface CacheSizes {
  readonly batch: number;
  readonly keyHeads: number;
  readonly headDim: number;
  readonly valueDim: number;
}

export interface CacheShape extends CacheSizes {
  readonly maxStep: number;
  readonly precision: Precision;
  readonly reach: Reach;
  readonly layout: SlotLayout;
  /** Tokens that a sequence may hold. */
  readonly limit: number;
}

/** Positions are 32-bit integers. */
const MAX_LENGTH = 2 ** 31 - 1;

/** The shape of a cache, or a refusal. */
export function checkCache(pattern: Pattern, given: KvCacheOptions): CacheShape {
  const reach = checkPattern(pattern);
  const options = readOptions(given, CACHE_NAMES, CACHE_WORDS);
  const size = (name: keyof KvCacheOptions, fallback: number | undefined, least: number, most = MAX_LENGTH): number => {
    const given = options[name] ?? fallback;
    if (Number.isInteger(given) && Number(given) >= least && Number(given) <= most) return given as number;
    const cure = given === undefined ? 'Give it; it has no default.' : 'Pass it as a whole number.';
    return refuse(`KvCache option ${name}`, say(given), `a whole number from ${least} to ${most}`, cure);
  };
  const batch = size('batch', 1, 1);
  const keyHeads = size('keyHeads', undefined, 1);
  const headDim = size('headDim', undefined, 1);
  const valueDim = size('valueDim', headDim, 1);
  const rollback = size('rollback', 0, 0);
  const maxStep = size('maxStep', 16, 1);
  const precision = checkPrecision(options.precision);
  if (precision === 'float16' && isWide({headDim, valueDim})) {
    const found = `'float16' beside ${Math.max(headDim, valueDim)} features`;
    const cure = 'Leave it out: wider caches are kept by TensorFlow.js ops, which have no halves.';
    refuse('KvCache option precision', found, `headDim and valueDim of at most ${MOST_FEATURES}`, cure);
  }
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
  if (pattern.node.kind === 'perBatch') {
    refuse(
      'pattern of a KvCache',
      'a perBatch',
      'a pattern that all sequences share, or a perHead: reorder and fork change what sequence b is',
      'Make a cache for the sequences of each pattern.',
    );
  }
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

/** Throws where a sequence would have more tokens than it may. */
export function checkRoom(
  lengths: readonly number[],
  counts: readonly number[],
  limit: number,
  pattern: Pattern,
  {back}: Reach,
): void {
  counts.forEach((count, b) => {
    const length = lengths[b]!;
    if (length + count <= limit) return;
    const why = back === Infinity ? `, for ${String(pattern)} reaches back without end` : '';
    refuse(
      `tokens of sequence ${b}`,
      `${length} held and ${count} new`,
      `at most ${limit} together, the maxLength of the cache${why}`,
      back === Infinity
        ? 'Give a larger maxLength, or bound the pattern: the ring of slidingWindow({left}) never fills up.'
        : 'Give a larger maxLength, or none: this pattern takes a ring that never fills up.',
    );
  });
}

/** How many tokens each sequence goes back, or a refusal. */
export function checkRollback(
  tokens: unknown,
  progress: Progress,
  layout: SlotLayout,
  reach: Reach,
  pattern: Pattern,
): readonly number[] {
  const {lengths} = progress;
  const counts = checkCounts('rollback', tokens, lengths, (b, most) => `0 to ${most}, the tokens of sequence ${b}`);
  counts.forEach((count, b) => {
    const most = progress.rollbackOf(b, layout, reach);
    // Back inside the sinks nothing of the ring is in reach.
    if (count <= most || lengths[b]! - count <= layout.sinks) return;
    refuse(
      'rollback',
      `${count} tokens of sequence ${b}, past the window`,
      `at most ${most}, for tokens that ${String(pattern)} would reach again are overwritten`,
      'Make the cache with the option rollback: the tokens to forget at most.',
    );
  });
  return counts;
}

/** Numbers of sequences of a batch, as an array or a typed array. */
export function checkSequences(name: string, given: unknown, batch: number, count?: number): number[] {
  const list = isList(given) ? Array.from(given, plainNumber) : [];
  if (list.length === 0 || (count !== undefined && list.length !== count)) {
    const isTensor = typeof given === 'object' && given !== null && 'dataId' in given;
    refuse(
      name,
      isList(given) ? `${list.length} numbers` : isTensor ? 'a tensor' : say(given),
      count === undefined ? 'an array of at least one number' : `an array of ${count}, one number for each sequence`,
      isTensor ? 'Read it first: await indices.data().' : 'List the sequences to go on with, each by its number.',
    );
  }
  return list.map((index) => {
    if (Number.isInteger(index) && Number(index) >= 0 && Number(index) < batch) return index as number;
    return refuse(name, say(index), `a whole number from 0 to ${batch - 1}, a sequence of the cache`, 'Sequences count from 0.');
  });
}
