import type {RowTile} from './row_tiles.js';

/** Of intervals held: 4 MiB. */
const MOST_HELD = 2 ** 20;
/** As few as a typed array has without memory of its own. */
const FIRST_ROOM = 16;

interface Held {
  readonly layers: number;
  readonly rows: number;
  /** Where its intervals lie, and for how many there is room. */
  readonly at: number;
  readonly room: number;
  begin: number;
  end: number;
}

/**
 * Rows of the next residue mostly have the same intervals as those of the one before, at keys of the next residue: strides 100 and 101 at
 * 262,144 tokens have 7 million intervals, a hundredth of which differ. So a tile is compared with that of its place in the bucket before.
 */
export class Repeats {
  private bucket: readonly number[] | null = null;
  private place = -1;
  private readonly tiles: (Held | undefined)[] = [];
  /** Grows with what is held: a step of decoding holds a few. */
  private intervals = new Int32Array(0);
  private length = 0;

  /**
   * The spans of a tile with the same intervals: of row x and layer l, [low, high) at l · tileRows + x, high = −1 where it has none. Where
   * there is no such tile, `keep` takes this one in its place.
   */
  find(
    {residues, rows}: RowTile,
    layers: number,
    tileRows: number,
    low: Int32Array,
    high: Int32Array,
  ): {readonly begin: number; readonly end: number} | null {
    this.place = residues === this.bucket ? this.place + 1 : 0;
    this.bucket = residues;
    const held = this.tiles[this.place];
    if (held?.layers === layers && held.rows === rows && held.end >= 0 && this.same(held, tileRows, low, high)) return held;
    this.hold(held, rows, layers, tileRows, low, high);
    return null;
  }

  /** The spans of the tile that was not found. */
  keep(begin: number, end: number): void {
    const held = this.tiles[this.place];
    if (held !== undefined) [held.begin, held.end] = [begin, end];
  }

  private same({at, layers, rows}: Held, tileRows: number, low: Int32Array, high: Int32Array): boolean {
    const {intervals} = this;
    let read = at;
    for (let layer = 0; layer < layers; layer++) {
      const base = layer * tileRows;
      for (let x = base; x < base + rows; x++, read += 2) {
        if (intervals[read + 1] !== high[x] || (high[x]! >= 0 && intervals[read] !== low[x])) return false;
      }
    }
    return true;
  }

  private hold(before: Held | undefined, rows: number, layers: number, tileRows: number, low: Int32Array, high: Int32Array): void {
    const size = 2 * layers * rows;
    const fits = before !== undefined && before.room >= size;
    const at = fits ? before.at : this.length;
    if (at + size > MOST_HELD) {
      this.tiles[this.place] = undefined;
      return;
    }
    if (!fits) {
      this.length += size;
      if (this.length > this.intervals.length) {
        const larger = new Int32Array(Math.max(FIRST_ROOM, 2 * this.length));
        larger.set(this.intervals);
        this.intervals = larger;
      }
    }
    this.tiles[this.place] = {layers, rows, at, room: fits ? before.room : size, begin: -1, end: -1};
    const {intervals} = this;
    let write = at;
    for (let layer = 0; layer < layers; layer++) {
      const base = layer * tileRows;
      for (let x = base; x < base + rows; x++, write += 2) {
        intervals[write] = low[x]!;
        intervals[write + 1] = high[x]!;
      }
    }
  }
}
