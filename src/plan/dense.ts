import type {Acsr} from '../acsr/index.js';
import {ceilDiv, inSteps, type Sliced} from '../support/index.js';
import {paintRows, type MaskBits} from './bits.js';
import {NO_COUNTS, type Counts} from './counts.js';
import type {Draft} from './draft.js';
import {SPAN, write} from './format.js';
import type {Kinds, TileShape} from './plan.js';
import type {Problem} from './problem.js';

type Lengths = Pick<Problem, 'queryLength' | 'keyLength'>;

/**
 * The key tiles of every row tile, to be tested against mask bits: for masks without arithmetic. `mask` is that of the pattern:
 * tiles of nothing are left out, and full ones said to be full. It is null when the mask comes with the call; kernels then ask what a tile holds.
 */
export function* addDense(
  draft: Draft,
  lengths: Lengths,
  mask: MaskBits | null,
  tile: TileShape,
  kinds: Kinds,
  lines: readonly number[],
): Sliced<void> {
  const {queryLength, keyLength} = lengths;
  const group = draft.group({...kinds, mask: mask === null ? 'tensor' : 'bits'}, 0, lines);
  const bits = mask && inPairs(mask, keyLength);
  const bitsAt = draft.bits.length / 2;
  if (bits !== null) draft.bits.append(bits);
  const bitStride = bits === null ? 0 : ceilDiv(keyLength, BLOCK);
  const whole: Extent[] = keyLength > 0 ? [{begin: 0, end: keyLength, fullBegin: 0, fullEnd: 0}] : [];
  const extents = bits === null ? () => whole : recurringExtents(bits, keyLength, tile, mask!.rows < queryLength);
  const addTiles = (begin: number, end: number): void => {
    for (let item = begin; item < end; item++) {
      const first = item * tile.rows;
      const spanBegin = draft.nextSpan;
      const rows = Math.min(tile.rows, queryLength - first);
      const from = mask === null ? 0 : first % mask.rows;
      for (const extent of extents(from, rows))
        write(draft.spans, SPAN, {firstKey: 0, keyStride: 1, ...extent, mask: bitsAt + from * bitStride, bitStride});
      draft.add(group, first, 1, rows, spanBegin);
    }
  };
  yield* inSteps(ceilDiv(queryLength, tile.rows), wordsOf(tile, keyLength), addTiles);
}

/** What `addDense` comes to on one line without bits: all tiles count, for nobody knows which hold nothing before the pattern is written out. */
export function denseCounts({queryLength, keyLength}: Lengths, tile: TileShape): Counts {
  const items = ceilDiv(queryLength, tile.rows);
  const tiles = items * ceilDiv(keyLength, tile.keys);
  return {...NO_COUNTS, tile, items, tiles, bits: tiles};
}

/** The same where bits are at hand. */
export function* countDense({queryLength, keyLength}: Lengths, tile: TileShape, mask: MaskBits): Sliced<Counts> {
  const items = ceilDiv(queryLength, tile.rows);
  const extents = recurringExtents(inPairs(mask, keyLength), keyLength, tile, mask.rows < queryLength);
  let [tiles, bits] = [0, 0];
  yield* inSteps(items, wordsOf(tile, keyLength), (begin, end) => {
    for (let first = begin * tile.rows; first < end * tile.rows; first += tile.rows)
      for (const extent of extents(first % mask.rows, Math.min(tile.rows, queryLength - first))) {
        const visited = ceilDiv(extent.end - extent.begin, tile.keys);
        tiles += visited;
        bits += visited - (extent.fullEnd - extent.fullBegin) / tile.keys;
      }
  });
  return {...NO_COUNTS, tile, items, tiles, bits};
}

/** Row tiles that are looked at of a pattern before all of it is written out. */
const SAMPLES = 8;

/** About the same, from a few row tiles of a pattern whose rows all have runs. */
export function* foreseeDense(acsr: Acsr, tile: TileShape): Sliced<Counts> {
  const {queryLength, keyLength} = acsr;
  const items = ceilDiv(queryLength, tile.rows);
  const apart = ceilDiv(items, SAMPLES);
  let [seen, tiles, bits] = [0, 0, 0];
  for (let item = apart >> 1; item < items; item += apart) {
    const rows = Math.min(tile.rows, queryLength - item * tile.rows);
    const words = new Uint32Array(rows * ceilDiv(keyLength, 32));
    paintRows(acsr, item * tile.rows, item * tile.rows + rows, words, 0);
    const counts = yield* countDense({queryLength: rows, keyLength}, tile, {words, rows});
    seen += 1;
    tiles += counts.tiles;
    bits += counts.bits;
  }
  const all = seen === 0 ? 0 : items / seen;
  return {...NO_COUNTS, tile, items, tiles: Math.round(tiles * all), bits: Math.round(bits * all)};
}

/** Words that a tile looks at. */
const wordsOf = ({rows}: TileShape, keyLength: number): number => rows * ceilDiv(keyLength, 32);

/** Keys of a pair of words. No tile has more, so tiles that begin in one end in it. */
const BLOCK = 64;
const [SOME, NONE, ALL] = [0, 1, 2];

/**
 * Full blocks that are worth a span of their own. A span begins with a few loads, but on tensor cores with the scores of its first keys, which
 * nothing hides: as long as four blocks of bits take to test, at a tenth of a tile each.
 */
const leastFull = ({queries}: TileShape): number => (queries === 'fragments' ? 4 : 1);

/** The keys of a span. */
type Extent = Record<'begin' | 'end' | 'fullBegin' | 'fullEnd', number>;

/** The spans of rows by their first; where rows recur, those of whole tiles are worked out once: `not strided` n = 16,384 30 → 12 ms on busy cores. */
function recurringExtents(
  bits: Int32Array,
  keyLength: number,
  tile: TileShape,
  recurs: boolean,
): (first: number, rows: number) => readonly Extent[] {
  const known = new Map<number, readonly Extent[]>();
  return (first, rows) => {
    const there = rows === tile.rows ? known.get(first) : undefined;
    if (there !== undefined) return there;
    const found = extentsOf(bits, keyLength, first, rows, tile);
    if (recurs && rows === tile.rows) known.set(first, found);
    return found;
  };
}

/** The spans of some rows: no block of nothing, and one range of full blocks each. */
function extentsOf(bits: Int32Array, keyLength: number, first: number, rows: number, tile: TileShape): Extent[] {
  const holds = holdsOf(bits, ceilDiv(keyLength, BLOCK), first, rows);
  const found: Extent[] = [];
  let last: Extent | null = null;
  for (let block = 0; block < holds.length; block++) {
    if (holds[block] === NONE) {
      last = null;
      continue;
    }
    const begin = BLOCK * block;
    let full = block;
    if (holds[block - 1] !== ALL) while (holds[full] === ALL) full++;
    if (last !== null && last.fullEnd > 0 && full - block >= leastFull(tile)) last = null;
    if (last === null) found.push((last = {begin, end: 0, fullBegin: 0, fullEnd: 0}));
    if (full > block && last.fullEnd === 0) [last.fullBegin, last.fullEnd] = [begin, BLOCK * full];
    last.end = Math.min(keyLength, begin + BLOCK);
  }
  return found;
}

/**
 * What rows hold in each block. One of both kinds of pairs is not looked at again: of masks without order that is one row in a tile, and 16,384²
 * pairs take 2 ms. One that keys end in is never full, for zeros lie behind them: a tile that reaches past the end asks for bits anyway.
 */
function holdsOf(bits: Int32Array, blocks: number, first: number, rows: number): Uint8Array {
  const holds = new Uint8Array(blocks);
  const open = new Int32Array(blocks);
  for (let block = 0; block < blocks; block++) open[block] = block;
  for (let row = first, left = blocks; row < first + rows && left > 0; row++) {
    let kept = 0;
    for (let index = 0; index < left; index++) {
      const block = open[index]!;
      const at = 2 * (row * blocks + block);
      const [low, high] = [bits[at]!, bits[at + 1]!];
      const state = (low | high) === 0 ? NONE : (low & high) === -1 ? ALL : SOME;
      holds[block] = row === first || state === holds[block] ? state : SOME;
      if (holds[block] !== SOME) open[kept++] = block;
    }
    left = kept;
  }
  return holds;
}

/** Rows of whole pairs. */
function inPairs({words, rows}: MaskBits, keyLength: number): Int32Array {
  const perRow = ceilDiv(keyLength, 32);
  if (perRow % 2 === 0) return new Int32Array(words.buffer, words.byteOffset, words.length);
  const wide = new Int32Array(rows * (perRow + 1));
  for (let row = 0; row < rows; row++) wide.set(words.subarray(row * perRow, (row + 1) * perRow), row * (perRow + 1));
  return wide;
}
