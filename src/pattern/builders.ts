import {isList, refuse} from '../support/index.js';
import {Pattern} from './pattern.js';
import {checkSize, readSizes, spell} from './sizes.js';

/** Numbers of tokens, in an array or a typed array. A BigInt counts as the number it is, if 32 bits hold it. */
export type SizeList = ArrayLike<number | bigint>;

/**
 * Every query attends to every key.
 *
 * @example
 * full().attends(0, 3, {queryLength: 4, keyLength: 4}); // true
 */
export function full(): Pattern {
  return new Pattern({kind: 'full'});
}

/**
 * A query attends to keys up to its own position, `key ≤ query + queryOffset`.
 *
 * @example
 * causal().attends(0, 1, {queryLength: 4, keyLength: 4}); // false
 */
export function causal(): Pattern {
  return new Pattern({kind: 'causal'});
}

/**
 * A query at position p attends to the keys p + dilation·j, −left ≤ j ≤ right: both ends included, so a causal window of 512 keys has
 * left 511. `left` and `right` count keys, not distances, and may be `Infinity`; both default to 0, `dilation` to 1.
 *
 * Throws `SplatError` for negative, fractional or NaN sizes, a dilation below 1, and unknown options.
 *
 * @example
 * slidingWindow({left: 2, dilation: 3}).attends(6, 0, {queryLength: 8, keyLength: 8}); // true
 */
export function slidingWindow(
  options: {
    readonly left?: number | undefined;
    readonly right?: number | undefined;
    readonly dilation?: number | undefined;
  } = {},
): Pattern {
  return new Pattern({kind: 'slidingWindow', ...readSizes('slidingWindow', options)});
}

/**
 * A query at position p attends to every `stride`-th key before and after it, (p − key) mod stride = 0.
 *
 * Throws `SplatError` unless stride is a positive integer.
 *
 * @example
 * strided({stride: 4}).attends(1, 5, {queryLength: 8, keyLength: 8}); // true
 */
export function strided(options: {readonly stride: number}): Pattern {
  return new Pattern({kind: 'strided', ...readSizes('strided', options)});
}

/**
 * A query attends to the keys of its own block of `size` positions, ⌊p/size⌋ = ⌊key/size⌋.
 *
 * Throws `SplatError` unless size is a positive integer.
 *
 * @example
 * blockLocal({size: 4}).attends(3, 4, {queryLength: 8, keyLength: 8}); // false
 */
export function blockLocal(options: {readonly size: number}): Pattern {
  return new Pattern({kind: 'blockLocal', ...readSizes('blockLocal', options)});
}

/**
 * Global tokens attend to every key, and every query attends to them. A number n stands for the first n tokens; a list names token
 * indices, in any order, which must lie inside the keys of the call.
 *
 * Throws `SplatError` for negative, fractional or NaN tokens.
 *
 * @example
 * globalTokens([0, 5]).attends(5, 3, {queryLength: 8, keyLength: 8}); // true
 */
export function globalTokens(tokens: number | SizeList): Pattern {
  if (typeof tokens === 'number' || typeof tokens === 'bigint')
    return new Pattern({kind: 'globalTokens', tokens: checkSize('globalTokens.tokens', tokens, {least: 0})});
  const indices = checkList('globalTokens.tokens', tokens, 'a number of tokens or an array of token indices');
  return new Pattern({kind: 'globalTokens', tokens: Object.freeze([...new Set(indices)].sort((a, b) => a - b))});
}

/**
 * Every query attends to the first `count` keys.
 *
 * Throws `SplatError` unless count is a non-negative integer.
 *
 * @example
 * prefix(2).attends(0, 1, {queryLength: 4, keyLength: 4}); // true
 */
export function prefix(count: number): Pattern {
  return new Pattern({kind: 'prefix', count: checkSize('prefix.count', count, {least: 0})});
}

/**
 * A query attends to the keys of its own document, where documents of these lengths, in tokens, lie one after another. The lengths
 * must sum to the keyLength of the call.
 *
 * Throws `SplatError` for negative, fractional or NaN lengths.
 *
 * @example
 * documents([3, 5]).attends(2, 3, {queryLength: 8, keyLength: 8}); // false
 */
export function documents(lengths: SizeList): Pattern {
  return new Pattern({kind: 'documents', lengths: Object.freeze(checkList('documents.lengths', lengths, 'an array of lengths'))});
}

function checkList(thing: string, list: unknown, expected: string): number[] {
  if (!isList(list)) return refuse(thing, spell(list), expected, 'Put the numbers into an array.');
  return Array.from(list, (entry, i) => checkSize(`${thing}[${i}]`, entry, {least: 0}));
}
