import {ceilDiv} from '../support/index.js';
import {partsOf} from './parts.js';
import {REGULAR, type Kinds, type Pass, type Plan} from './plan.js';
import type {Device} from './problem.js';
import {IntList, KEY_ITEM, KEY_MERGE, longestFirst, pack, readItem, readSpan, VISIT, write, type Packed} from './format.js';

/**
 * The tile list of a plan seen from its keys, for gradients of keys and values: a key tile and the row tiles that visit it. The pattern is
 * not transposed, for a column of an affine pattern need not be an interval: rows keep their [lo, hi), and the kernel asks whether its keys
 * lie in it.
 *
 * Its records stand behind those of the plan: KEY_ITEM, VISIT (in the place of spans) and KEY_MERGE of format.ts; intervals are the plan's.
 */
export interface KeySchedule extends Packed {
  /** In waves, which use the same slots one after another. */
  readonly passes: readonly Pass[];
  /** Key tiles of partial results per head and batch. */
  readonly slots: number;
  /** Tiles of rows that each item visits. */
  readonly weights: Int32Array;
}

export interface KeyTiling {
  /** Key tiles of one part have no slot: they write what they leave themselves, zeros where nobody visits. */
  readonly direct: boolean;
  /** Where a pass would take more, it is done in waves. */
  readonly mostSlots: number;
}

interface Visit {
  readonly firstRow: number;
  readonly rowStride: number;
  rows: number;
  readonly full: boolean;
  /** Number of the interval of the first row. */
  readonly mask: number;
}

interface KeyTile {
  readonly residue: number;
  readonly stride: number;
  /** Number of the first key in its residue class. */
  readonly y: number;
  readonly keys: number;
  readonly visits: Visit[];
}

/** Transposes a plan whose rows are whole (no slots). What it gives follows the schedule of `rows`, the same tiles in whatever parts. */
export function transpose(plan: Plan, device: Device, tiling: KeyTiling, rows: Packed): KeySchedule {
  const {problem, tile} = plan;
  const draft = new Draft(tiling, tile.rows);
  let kinds = REGULAR;
  plan.passes.forEach((pass, index) => {
    ({kinds} = pass);
    const tiles = [...keyTiles(plan, pass, index === 0)];
    const lengths = tiles.map(({visits}) => chunks(visits, tile.rows));
    const {longest, part} = partsOf(lengths, problem, device, {...tile, keys: tile.rows});
    tiles.forEach((each, at) => {
      const length = lengths[at]!;
      draft.add(each, length, length <= longest ? 1 : ceilDiv(length, part), kinds, index > 0);
    });
    draft.endWave(kinds, index > 0);
  });
  return draft.pack(rows);
}

/** Key tiles as they come, cut into parts; a wave ends with its pass, or where no slot is left. */
class Draft {
  private readonly items = new IntList();
  private readonly visits = new IntList();
  private readonly merges = new IntList();
  private readonly passes: Pass[] = [];
  private slots = 0;
  private readonly weights = new IntList();
  private wave = new Wave();

  constructor(
    private readonly tiling: KeyTiling,
    private readonly chunk: number,
  ) {}

  add({residue, stride, y, keys, visits}: KeyTile, length: number, parts: number, kinds: Kinds, continues: boolean): void {
    const {direct, mostSlots} = this.tiling;
    const count = Math.min(parts, mostSlots);
    const cuts = length === 0 && !direct ? [] : count === 1 ? [visits] : cut(visits, ceilDiv(length, count), this.chunk);
    const alone = direct && cuts.length === 1;
    if (!alone && this.wave.slots + cuts.length > mostSlots) this.endWave(kinds, continues);
    const {wave} = this;
    const firstKey = residue + stride * y;
    const place = {firstKey, keyStride: stride, keys, line: 0};
    const slots = {slotBegin: wave.slots, slotEnd: wave.slots + cuts.length};
    if (!alone) write(this.merges, KEY_MERGE, {...place, ...slots, unused: 0, none: 0});
    for (const some of cuts) {
      const visitBegin = this.visits.length / VISIT.words;
      for (const {firstRow, rowStride, rows, full, mask} of some)
        write(this.visits, VISIT, {firstRow, rowStride, begin: 0, end: rows, full: full ? 1 : 0, none: 0, mask, bitStride: 0});
      const visitEnd = this.visits.length / VISIT.words;
      write(wave.items, KEY_ITEM, {...place, slot: alone ? -1 : wave.slots++, visitBegin, visitEnd, number: y});
      wave.weights.push(chunks(some, this.chunk));
    }
  }

  endWave(kinds: Kinds, continues: boolean): void {
    const {items, merges, wave} = this;
    const [itemBegin, mergeBegin] = [items.length / KEY_ITEM.words, this.passes.at(-1)?.mergeEnd ?? 0];
    for (const index of longestFirst(wave.weights)) {
      items.append(wave.items.data.subarray(KEY_ITEM.words * index, KEY_ITEM.words * (index + 1)));
      this.weights.push(wave.weights[index]!);
    }
    const ends = {itemEnd: items.length / KEY_ITEM.words, mergeEnd: merges.length / KEY_MERGE.words};
    this.passes.push({kinds, itemBegin, mergeBegin, ...ends, continues});
    this.slots = Math.max(this.slots, wave.slots);
    this.wave = new Wave();
  }

  /** Behind the schedule of the plan, whose intervals it uses. */
  pack(rows: Packed): KeySchedule {
    const {passes, slots} = this;
    const sections = {items: this.items.view(), spans: this.visits.view(), merges: this.merges.view()};
    const {schedule, offsets} = pack(sections, rows.schedule);
    const weights = this.weights.view().slice();
    return {passes, schedule, offsets: Object.freeze({...offsets, intervals: rows.offsets.intervals}), slots, weights};
  }
}

/** Items that run at once, in the order they were found. */
class Wave {
  readonly items = new IntList();
  readonly weights: number[] = [];
  slots = 0;
}

/** The key tiles of a pass in the order of their keys; all there are, `owned`, also those that nobody visits. */
function keyTiles(plan: Plan, {itemBegin, itemEnd}: Pass, owned: boolean): Iterable<KeyTile> {
  const {keyLength} = plan.problem;
  const {keys: width} = plan.tile;
  const tiles = new Map<number, KeyTile>();
  const tileAt = (residue: number, stride: number, number: number): KeyTile => {
    const y = number * width;
    const name = residue + stride * y;
    let tile = tiles.get(name);
    if (tile === undefined) {
      const keys = Math.min(width, ceilDiv(keyLength - residue, stride) - y);
      tiles.set(name, (tile = {residue, stride, y, keys, visits: []}));
    }
    return tile;
  };
  const rowTiles = Array.from({length: itemEnd - itemBegin}, (_, i) => readItem(plan, itemBegin + i));
  // Row tiles that follow one another become one visit.
  rowTiles.sort(
    (a, b) => a.rowStride - b.rowStride || (a.firstRow % a.rowStride) - (b.firstRow % b.rowStride) || a.firstRow - b.firstRow,
  );
  let stride = 1;
  for (const {spanBegin, spanEnd} of rowTiles) if (spanBegin < spanEnd) stride = readSpan(plan, spanBegin).keyStride;
  if (owned)
    for (let residue = 0; residue < Math.min(stride, keyLength); residue++)
      for (let number = 0; number * width < ceilDiv(keyLength - residue, stride); number++) tileAt(residue, stride, number);
  for (const {firstRow, rowStride, rows, spanBegin, spanEnd} of rowTiles) {
    for (let index = spanBegin; index < spanEnd; index++) {
      const {firstKey, keyStride, begin, end, fullBegin, fullEnd, mask} = readSpan(plan, index);
      for (let number = Math.floor(begin / width); number * width < end; number++) {
        const tile = tileAt(firstKey, keyStride, number);
        const full = fullBegin <= tile.y && tile.y + tile.keys <= fullEnd;
        visit(tile.visits, {firstRow, rowStride, rows, full, mask}, plan);
      }
    }
  }
  return tiles.values();
}

/** Appends a visit, or makes the last one longer. */
function visit(visits: Visit[], next: Visit, {implementation, tile}: Plan): void {
  const last = visits.at(-1);
  const follows =
    last !== undefined &&
    last.rowStride === next.rowStride &&
    last.firstRow + last.rowStride * last.rows === next.firstRow &&
    last.rows % tile.rows === 0 &&
    last.full === next.full &&
    (next.full || implementation === 'dense' || last.mask + last.rows === next.mask);
  if (follows) last.rows += next.rows;
  else visits.push(next);
}

const chunks = (visits: readonly Visit[], rows: number): number =>
  visits.reduce((sum, visit) => sum + ceilDiv(visit.rows, rows), 0);

/** Cuts visits into parts of `length` chunks of rows. */
function cut(visits: readonly Visit[], length: number, chunk: number): Visit[][] {
  const parts: Visit[][] = [[]];
  let room = length;
  for (const {firstRow, rowStride, rows, full, mask} of visits) {
    for (let from = 0; from < rows;) {
      if (room === 0) {
        parts.push([]);
        room = length;
      }
      const take = Math.min(rows - from, room * chunk);
      parts.at(-1)!.push({firstRow: firstRow + rowStride * from, rowStride, rows: take, full, mask: mask + from});
      room -= ceilDiv(take, chunk);
      from += take;
    }
  }
  return parts;
}
