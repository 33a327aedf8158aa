import {isList, plainNumber, refuse} from '../support/index.js';
import {checkReadBack, maskWordCount, packMask} from './mask.js';
import type {MaskNode} from './node.js';
import {Pattern} from './pattern.js';
import {perHead} from './per_head.js';
import {checkRecord, checkSize, spell} from './sizes.js';

/** Entries of a mask: 0 or false hides the key, a positive number or true shows it. */
export type MaskEntries = ArrayLike<number | bigint | boolean>;

/** The sizes of a mask whose entries lie one after another. */
export interface MaskShape {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Of query, where each has a mask of its own. Default: one mask for all. */
  readonly heads?: number | null | undefined;
}

/**
 * An arbitrary mask, row-major [queryLength, keyLength]: 0 or false hides the key, a positive number or true shows it. It fits calls
 * of this shape only, and no `queryOffset` moves it. The mask is copied, one bit a pair; a `Uint8Array` of 0 and 1 is fastest.
 *
 * With `heads` it is [heads, queryLength, keyLength], one after another or in nested arrays, which need no lengths: a `perHead` of masks,
 * those that are equal held once.
 *
 * Throws `SplatError` when the mask has another length, or holds negative numbers or NaN (scores to add are a bias, not a mask).
 *
 * @example
 * fromMask([true, false, true, true], {queryLength: 2, keyLength: 2}).attends(0, 1, {queryLength: 2, keyLength: 2}); // false
 * fromMask([[[1, 0], [1, 1]], [[1, 1], [1, 1]]], {heads: 2}).attends(0, 1, {queryLength: 2, keyLength: 2, head: 1}); // true
 */
export function fromMask(mask: MaskEntries, shape: MaskShape): Pattern;
export function fromMask(
  mask: ArrayLike<MaskEntries | ArrayLike<MaskEntries>>,
  shape: Partial<MaskShape> & {readonly heads: number},
): Pattern;
export function fromMask(mask: ArrayLike<unknown>, shape: Partial<MaskShape>): Pattern {
  checkReadBack(mask);
  const given = checkRecord('fromMask', shape, ['queryLength', 'keyLength', 'heads']);
  const [queryLength, keyLength] = [plainNumber(given.queryLength), plainNumber(given.keyLength)];
  if (given.heads === undefined || given.heads === null) return new Pattern(packMask(mask, {queryLength, keyLength}));
  const heads = checkSize('fromMask.heads', given.heads, {least: 1});
  const parts = isList(mask) && isList(mask[0]) ? nested(mask, heads) : flat(mask, {queryLength, keyLength}, heads);
  const masks: MaskNode[] = [];
  for (let head = 0; head < heads; head++) {
    const part = parts(head);
    const own = packMask(
      part.mask,
      {queryLength: part.queryLength ?? queryLength, keyLength: part.keyLength ?? keyLength},
      part.name,
    );
    const [queries, keys] = [queryLength ?? masks[0]?.queryLength, keyLength ?? masks[0]?.keyLength];
    if (own.queryLength !== (queries ?? own.queryLength) || own.keyLength !== (keys ?? own.keyLength)) {
      const found = `a mask of [${own.queryLength}, ${own.keyLength}]`;
      refuse(`fromMask.mask[${head}]`, found, `[${queries}, ${keys}], as the shape or head 0 says`, 'All heads have one shape.');
    }
    masks.push(masks.find(({words}) => words.equals(own.words)) ?? own);
  }
  return perHead(masks.map((node) => new Pattern(node)));
}

/** The mask of a head; lengths where it says them itself. */
interface Part {
  readonly mask: ArrayLike<unknown>;
  readonly queryLength?: number;
  readonly keyLength?: number;
  /** Of an entry, for messages. */
  readonly name: (entry: number) => string;
}

/** Of data in which the masks follow one another. */
function flat(mask: ArrayLike<unknown>, {queryLength, keyLength}: {queryLength: unknown; keyLength: unknown}, heads: number) {
  const [queries, keys] = [
    checkSize('fromMask.queryLength', queryLength, {least: 0}),
    checkSize('fromMask.keyLength', keyLength, {least: 0}),
  ];
  maskWordCount('fromMask', heads * queries, keys);
  const pairs = queries * keys;
  if (!isList(mask) || mask.length !== heads * pairs) {
    const found = isList(mask) ? `${mask.length} entries` : spell(mask);
    const expected = `heads · queryLength · keyLength = ${heads * pairs} entries`;
    return refuse('fromMask.mask', found, expected, 'Flatten the masks one after another, or nest them: [heads][queries][keys].');
  }
  const cut = mask as unknown as Uint8Array;
  return (head: number): Part => ({
    mask: Array.isArray(mask) ? mask.slice(head * pairs, (head + 1) * pairs) : cut.subarray(head * pairs, (head + 1) * pairs),
    name: (entry) => `fromMask.mask[${head * pairs + entry}]`,
  });
}

/** Of [heads][queries][keys], or of flat masks [heads][queries · keys]. */
function nested(masks: ArrayLike<unknown>, heads: number) {
  if (masks.length !== heads) {
    refuse('fromMask.mask', `${masks.length} masks`, `${heads}, the heads`, 'Give one mask for each query head.');
  }
  return (head: number): Part => {
    const mask = masks[head];
    const name = `fromMask.mask[${head}]`;
    if (!isList(mask)) return refuse(name, spell(mask), 'the rows of a mask', 'Nest the masks alike: [heads][queries][keys].');
    if (!isList(mask[0])) return {mask, name: (entry) => `${name}[${entry}]`};
    const keyLength = mask[0].length;
    const entries: unknown[] = [];
    for (let query = 0; query < mask.length; query++) {
      const row = mask[query];
      if (!isList(row) || row.length !== keyLength) {
        const found = isList(row) ? `${row.length} entries` : spell(row);
        return refuse(`${name}[${query}]`, found, `${keyLength} entries, as row 0 has`, 'Pad the shorter rows.');
      }
      for (let key = 0; key < keyLength; key++) entries.push(row[key]);
    }
    const place = (entry: number): string => `${name}[${Math.floor(entry / keyLength)}][${entry % keyLength}]`;
    return {mask: entries, queryLength: mask.length, keyLength, name: place};
  };
}
