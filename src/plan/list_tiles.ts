import {onesIn} from '../acsr/index.js';
import {ceilDiv, inSteps, type Sliced} from '../support/index.js';
import {namerOf, type BitRows} from './bit_rows.js';
import type {Draft} from './draft.js';
import {SPAN, VISIT, write} from './format.js';
import type {Kinds, TileShape} from './plan.js';

/**
 * Tiles of successive rows, each with the keys that any of its rows attends to as one list, and a bit for each of its pairs: a tile visits
 * no key in vain that all of its rows miss.
 *
 * Seen from the keys, `owns` keys, the same: tiles of keys, lists of rows; the bits then lie row by row, those of a tile of keys in a pair.
 *
 * Measured in a lab (H200, 2026-11-29): a list costs 0 to 2 % a tile against successive keys; a second way for keys of few rows gains nothing.
 */
export function* addListTiles(
  draft: Draft,
  bitRows: BitRows,
  tile: TileShape,
  kinds: Kinds,
  order: number,
  lines: readonly number[],
  owns: 'rows' | 'keys' = 'rows',
): Sliced<void> {
  const {rows, words, wordsPerRow} = bitRows;
  const width = owns === 'rows' ? tile.rows : tile.keys;
  const {kind, name} = namerOf(rows, width);
  const own: Kinds = {...kinds, mask: 'bits', ...(owns === 'rows' ? {rows: kind, keys: 'list'} : {rows: 'list', keys: kind})};
  const group = draft.group(own, order, lines, tile);
  const union = new Union(wordsPerRow);
  for (let at = 0; at < rows.length; at += width) {
    const spanBegin = draft.nextSpan;
    yield* union.list(draft, words, at, Math.min(width, rows.length - at), owns);
    const {first, stride, count} = name(draft, at);
    draft.add(group, first, stride, count, spanBegin);
    yield;
  }
}

/** The keys of some rows together, and what number each has among them. */
export class Union {
  private readonly words: Uint32Array;
  /** Keys before those of each word. */
  private readonly rank: Int32Array;

  constructor(private readonly wordsPerRow: number) {
    this.words = new Uint32Array(wordsPerRow);
    this.rank = new Int32Array(wordsPerRow);
  }

  /** Appends a span of the keys of rows `first ≤ row < first + count` of `rows`; none when they have no keys. */
  *list(draft: Draft, rows: Uint32Array, first: number, count: number, owns: 'rows' | 'keys'): Sliced<void> {
    const {words, rank, wordsPerRow} = this;
    words.fill(0);
    for (let row = first; row < first + count; row++) {
      const at = row * wordsPerRow;
      for (let w = 0; w < wordsPerRow; w++) words[w]! |= rows[at + w]!;
    }
    let keys = 0;
    for (let w = 0; w < wordsPerRow; w++) {
      rank[w] = keys;
      keys += onesIn(words[w]!);
    }
    if (keys === 0) return;
    const {numbers, bits} = draft;
    const listAt = numbers.grow(2 * ceilDiv(keys, 2));
    let to = listAt;
    for (let w = 0; w < wordsPerRow; w++)
      for (let rest = words[w]!; rest !== 0; rest &= rest - 1) numbers.data[to++] = 32 * w + 31 - Math.clz32(rest & -rest);
    if (keys % 2 === 1) numbers.data[to] = 0;
    const ofRows = owns === 'rows';
    const bitStride = ofRows ? ceilDiv(keys, 64) : 1;
    const bitsAt = bits.grow(2 * bitStride * (ofRows ? count : keys));
    const {data} = bits;
    data.fill(0, bitsAt, bits.length);
    let full = true;
    const setBits = (begin: number, end: number): void => {
      for (let row = begin; row < end; row++) {
        const from = (first + row) * wordsPerRow;
        const own = bitsAt + 2 * bitStride * row;
        for (let w = 0; w < wordsPerRow; w++) {
          const mine = rows[from + w]!;
          if (mine !== words[w]) full = false;
          for (let rest = mine; rest !== 0; rest &= rest - 1) {
            const y = rank[w]! + onesIn(words[w]! & ((rest & -rest) - 1));
            if (ofRows) data[own + (y >>> 5)]! |= 1 << (y & 31);
            else data[bitsAt + 2 * y + (row >>> 5)]! |= 1 << (row & 31);
          }
        }
      }
    };
    // A bit takes as long as three words.
    yield* inSteps(count, wordsPerRow + 3 * keys, setBits);
    const range = {begin: 0, end: keys, mask: bitsAt / 2, bitStride};
    if (ofRows) write(draft.spans, SPAN, {firstKey: listAt / 2, keyStride: 0, fullBegin: 0, fullEnd: full ? keys : 0, ...range});
    else write(draft.spans, VISIT, {firstRow: listAt / 2, rowStride: 0, full: full ? 1 : 0, none: 0, ...range});
  }
}
