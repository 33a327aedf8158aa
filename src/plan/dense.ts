import {ceilDiv} from '../support/index.js';
import {NO_COUNTS, type Counts, type Draft} from './draft.js';
import {SPAN, write} from './format.js';
import type {Kinds, TileShape} from './plan.js';
import type {Problem} from './problem.js';

type Lengths = Pick<Problem, 'queryLength' | 'keyLength'>;

/**
 * The key tiles of every row tile, to be tested against mask bits: for masks without arithmetic. `words` are those of the pattern,
 * [queryLength · ⌈keyLength/32⌉]: tiles of nothing are left out, and full ones said to be full. They are null when the mask comes with the
 * call; kernels then ask what a tile holds.
 */
export function addDense(
  draft: Draft,
  {queryLength, keyLength}: Lengths,
  words: Uint32Array | null,
  tile: TileShape,
  kinds: Kinds,
  lines: readonly number[],
): void {
  const group = draft.group({...kinds, mask: words === null ? 'tensor' : 'bits'}, 0, lines);
  const blocks = words && new Blocks(inPairs(words, queryLength, ceilDiv(keyLength, 32)), keyLength);
  const bitStride = words === null ? 0 : ceilDiv(keyLength, 64);
  const bits = draft.bits.length / 2;
  if (blocks !== null) draft.bits.append(blocks.bits);
  const whole: Extent[] = keyLength > 0 ? [{begin: 0, end: keyLength, fullBegin: 0, fullEnd: 0}] : [];
  for (let first = 0; first < queryLength; first += tile.rows) {
    const spanBegin = draft.nextSpan;
    const rows = Math.min(tile.rows, queryLength - first);
    const mask = blocks === null ? 0 : bits + first * bitStride;
    for (const extent of blocks?.extents(first, rows, tile) ?? whole)
      write(draft.spans, SPAN, {firstKey: 0, keyStride: 1, ...extent, mask, bitStride});
    draft.add(group, first, 1, rows, spanBegin);
  }
}

/** What `addDense` comes to on one line. Without words all tiles count: nobody knows which hold nothing before the pattern is written out as bits. */
export function denseCounts({queryLength, keyLength}: Lengths, tile: TileShape, words: Uint32Array | null = null): Counts {
  const items = ceilDiv(queryLength, tile.rows);
  const every = items * ceilDiv(keyLength, tile.keys);
  if (words === null) return {...NO_COUNTS, tile, items, tiles: every, bits: every};
  const blocks = new Blocks(inPairs(words, queryLength, ceilDiv(keyLength, 32)), keyLength);
  let [tiles, full] = [0, 0];
  for (let first = 0; first < queryLength; first += tile.rows)
    for (const {begin, end, fullBegin, fullEnd} of blocks.extents(first, Math.min(tile.rows, queryLength - first), tile)) {
      tiles += ceilDiv(end - begin, tile.keys);
      full += Math.floor((fullEnd - fullBegin) / tile.keys);
    }
  return {...NO_COUNTS, tile, items, tiles, bits: tiles - full};
}

/** Keys of a pair of words. No tile has more, so tiles that begin in one end in it. */
const BLOCK = 64;
const [NONE, SOME, ALL] = [0, 1, 2];

/**
 * Full blocks that are worth a span of their own. A span begins with a few loads, but on tensor cores with the scores of its first keys, which
 * nothing hides: as long as four blocks of bits take to test, at a tenth of a tile each.
 */
const leastFull = ({queries}: TileShape): number => (queries === 'fragments' ? 4 : 1);

/** The keys of a span. */
interface Extent {
  readonly begin: number;
  readonly end: number;
  readonly fullBegin: number;
  readonly fullEnd: number;
}

/** What rows of a mask hold, 64 keys at a time. */
class Blocks {
  /** Of each block. */
  private readonly holds: Uint8Array;
  /** First words of the blocks that hold nothing, and that are full, in the rows seen so far. */
  private readonly empty: Int32Array;
  private readonly full: Int32Array;

  constructor(
    /** Rows of whole pairs. */
    readonly bits: Int32Array,
    private readonly keyLength: number,
  ) {
    const count = ceilDiv(keyLength, BLOCK);
    this.holds = new Uint8Array(count);
    this.empty = new Int32Array(count);
    this.full = new Int32Array(count);
  }

  /** The spans of some rows: no block of nothing, and one range of full blocks each. */
  extents(first: number, rows: number, tile: TileShape): Extent[] {
    this.look(first, rows);
    const {holds, keyLength} = this;
    const least = leastFull(tile);
    const found: Extent[] = [];
    const close = (begin: number, end: number, fullBegin: number, fullEnd: number): void => {
      const last = Math.min(keyLength, BLOCK * end);
      found.push({begin: BLOCK * begin, end: last, fullBegin: BLOCK * fullBegin, fullEnd: BLOCK * fullEnd});
    };
    for (let block = 0; block < holds.length;) {
      if (holds[block] === NONE) {
        block++;
        continue;
      }
      let [begin, fullBegin, fullEnd] = [block, block, block];
      while (block < holds.length && holds[block] !== NONE) {
        const from = block;
        while (block < holds.length && holds[block] === ALL) block++;
        if (from === block) block++;
        else if (fullEnd === fullBegin) [fullBegin, fullEnd] = [from, block];
        else if (block - from >= least) {
          close(begin, from, fullBegin, fullEnd);
          [begin, fullBegin, fullEnd] = [from, from, block];
        }
      }
      close(begin, block, fullBegin, fullEnd);
    }
    return found;
  }

  /** A block of both kinds of pairs is not looked at again: of masks without order that is one row in a tile, and 16,384² pairs take 1 ms. */
  private look(first: number, rows: number): void {
    const {bits, holds, empty, full, keyLength} = this;
    const perRow = 2 * holds.length;
    let [empties, fulls] = [0, 0];
    for (let block = 0; block < holds.length; block++) {
      const at = first * perRow + 2 * block;
      holds[block] = SOME;
      if ((bits[at]! | bits[at + 1]!) === 0) empty[empties++] = 2 * block;
      // Not one that keys end in: a tile that reaches past them asks for bits anyway.
      else if ((bits[at]! & bits[at + 1]!) === -1 && BLOCK * (block + 1) <= keyLength) full[fulls++] = 2 * block;
    }
    for (let row = first + 1; row < first + rows && empties + fulls > 0; row++) {
      const at = row * perRow;
      let kept = 0;
      for (let index = 0; index < empties; index++) {
        const word = empty[index]!;
        if ((bits[at + word]! | bits[at + word + 1]!) === 0) empty[kept++] = word;
      }
      empties = kept;
      kept = 0;
      for (let index = 0; index < fulls; index++) {
        const word = full[index]!;
        if ((bits[at + word]! & bits[at + word + 1]!) === -1) full[kept++] = word;
      }
      fulls = kept;
    }
    for (let index = 0; index < empties; index++) holds[empty[index]! / 2] = NONE;
    for (let index = 0; index < fulls; index++) holds[full[index]! / 2] = ALL;
  }
}

/** Rows of whole pairs. */
function inPairs(words: Uint32Array, rows: number, perRow: number): Int32Array {
  if (perRow % 2 === 0) return new Int32Array(words.buffer, words.byteOffset, words.length);
  const wide = new Int32Array(rows * (perRow + 1));
  for (let row = 0; row < rows; row++) wide.set(words.subarray(row * perRow, (row + 1) * perRow), row * (perRow + 1));
  return wide;
}
