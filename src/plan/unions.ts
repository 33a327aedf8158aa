import {onesIn} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';
import type {BitRows} from './bit_rows.js';
import type {TileShape} from './plan.js';
import {FOURS, ROW_WISE} from './row_wise.js';

/** The keys that successive rows have together: the fewest of a workgroup, twice as many, and so on, up to those of a granule. */
export class Unions {
  private readonly levels: {readonly rows: number; readonly words: Uint32Array; keys: number[]}[] = [];
  /** Of the granule visited last: its pairs, and how many keys its rows have where those of a row-wise workgroup count once. */
  pairs = 0;
  distinct = 0;
  /** Pairs that rows lack to the longest of their row-wise workgroup. */
  idle = 0;
  /** The same of four rows each. */
  inFours = 0;
  idleInFours = 0;
  /** Keys of each row. */
  private lengths: number[] = [];

  constructor(
    private readonly bitRows: BitRows,
    fewest: number,
    most: number,
  ) {
    for (let rows = fewest; rows <= most; rows *= 2)
      this.levels.push({rows, words: new Uint32Array(bitRows.wordsPerRow), keys: []});
  }

  visit(begin: number, end: number): void {
    const {levels} = this;
    const {words, wordsPerRow} = this.bitRows;
    for (const level of levels) level.keys = [];
    this.pairs = 0;
    const lengths: number[] = (this.lengths = []);
    for (let row = begin; row < end; row++) {
      const own = levels[0]!.words;
      const before = this.pairs;
      for (let w = 0, at = row * wordsPerRow; w < wordsPerRow; w++, at++) {
        const word = words[at]!;
        if (word === 0) continue;
        this.pairs += onesIn(word);
        own[w]! |= word;
      }
      lengths.push(this.pairs - before);
      const done = row + 1 - begin;
      for (let index = 0; index < levels.length && (done % levels[index]!.rows === 0 || row + 1 === end); index++)
        this.close(index);
    }
    this.distinct = sumOf(this.keysOf(ROW_WISE.rows));
    this.idle = idleOf(lengths);
    const fours = this.keysOf(4);
    this.inFours = sumOf(fours);
    this.idleInFours = 4 * idleOf(fours);
  }

  /** Of each union of so many rows. */
  private keysOf(height: number): readonly number[] {
    return this.levels.find(({rows}) => rows === height)?.keys ?? [];
  }

  /** Ends the union of a level, which goes into that of the next. */
  private close(index: number): void {
    const {words, keys} = this.levels[index]!;
    const next = this.levels[index + 1]?.words;
    let count = 0;
    for (let w = 0; w < words.length; w++) {
      const word = words[w]!;
      if (word === 0) continue;
      count += onesIn(word);
      if (next !== undefined) next[w]! |= word;
      words[w] = 0;
    }
    keys.push(count);
  }

  /** Pairs that are computed. */
  computed(shape: TileShape): number {
    if (shape === ROW_WISE) return this.pairs;
    return shape === FOURS ? 4 * this.inFours : this.tiles(shape) * shape.rows * shape.keys;
  }

  /** Trips of each workgroup of a shape. */
  weights(shape: TileShape): number[] {
    if (shape === ROW_WISE) return longestOf(this.lengths).map((keys) => ceilDiv(keys, shape.keys));
    const keys = shape === FOURS ? longestOf(this.keysOf(4)) : this.keysOf(shape.rows);
    return keys.map((count) => ceilDiv(count, shape.keys));
  }

  /** Key tiles of all tiles of a shape. */
  tiles(shape: TileShape): number {
    return this.keysOf(shape.rows).reduce((sum, count) => sum + ceilDiv(count, shape.keys), 0);
  }
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** Of the eight lists that a row-wise workgroup has. */
function longestOf(lengths: readonly number[]): number[] {
  const longest: number[] = [];
  for (let at = 0; at < lengths.length; at += ROW_WISE.rows) longest.push(Math.max(...lengths.slice(at, at + ROW_WISE.rows)));
  return longest;
}

/** What lists lack to the longest of their workgroup. */
const idleOf = (lengths: readonly number[]): number => ROW_WISE.rows * sumOf(longestOf(lengths)) - sumOf(lengths);
