import {ceilDiv, keyOf, type Sliced} from '../support/index.js';
import {NO_COUNTS, type Counts} from './counts.js';
import {copyOwn, copyTiles} from './copy_tiles.js';
import {IntList, ITEM, longestFirst, MERGE, packing, SPAN, type Packed} from './format.js';
import type {Cutting} from './parts.js';
import type {Kinds, Pass, TileShape, Tiling} from './plan.js';
import {isRowWise, rowsPerSpan} from './row_wise.js';

/** Rows of a workgroup with the spans they visit, before they are cut into parts; or keys with their visits, which are laid out alike. */
export interface DraftTile {
  /** Number `first + stride·x`, x < count, or the list that begins at pair `first`. */
  readonly first: number;
  readonly stride: number;
  readonly count: number;
  /** See KEY_ITEM. */
  readonly number: number;
  readonly spanBegin: number;
  readonly spanEnd: number;
  /** Key tiles visited, and those of them that every row attends to; row-wise, trips of the longest. */
  readonly weight: number;
  readonly full: number;
  /** Row-wise: see Counts. */
  readonly pairs: number;
  readonly distinct: number;
  readonly idle: number;
}

/** Tiles for the lines that have them: each line of the list, or what is on the grid. */
export interface DraftGroup {
  readonly pass: Pick<DraftPass, 'kinds' | 'tile'>;
  readonly lines: readonly number[];
  readonly tiles: DraftTile[];
}

/** Tiles of the same kinds and shape that run at the same time. */
interface DraftPass {
  readonly kinds: Kinds;
  readonly tile: TileShape;
  /** Passes run in this order, which is a whole number; those of order 0 begin rows, others continue them. */
  readonly order: number;
  readonly groups: DraftGroup[];
}

/** Words of items and spans that are written in one slice. */
const PACKED = 2 ** 16;

/** More than the passes of a line: the order of passes in which lines take turns. */
export const TURN = 64;

/** The line of an item that serves all lines on the grid. */
export const EVERY_LINE: readonly number[] = Object.freeze([0]);

/** Where a draft stood: see `rollback`. */
export interface Mark {
  readonly lengths: readonly number[];
  readonly passes: readonly {readonly pass: DraftPass; readonly groups: readonly number[]}[];
}

/** Tiles as the planners find them, and the sections that these write. Forward passes, decoding steps and key tiles all are packed here. */
export class Draft {
  readonly spans = new IntList();
  readonly intervals: IntList;
  readonly numbers: IntList;
  readonly bits: IntList;
  passes: DraftPass[] = [];
  private readonly parts = new IntList();
  private readonly items = new IntList();
  private readonly merges = new IntList();
  private readonly wave = new IntList();

  /** `tile`: of passes that name no other; those of keys are as wide as high. `beside`: another draft, whose intervals, numbers and bits this one uses. */
  constructor(
    private tile: TileShape,
    beside?: Draft,
  ) {
    this.intervals = beside?.intervals ?? new IntList();
    this.numbers = beside?.numbers ?? new IntList();
    this.bits = beside?.bits ?? new IntList();
  }

  /** Begins anew, in the memory that is there: for decoding, a step at a time. */
  reset(tile: TileShape): void {
    this.tile = tile;
    this.passes = [];
    for (const list of this.sections) list.length = 0;
  }

  private get sections(): IntList[] {
    return [this.spans, this.intervals, this.numbers, this.bits];
  }

  /** Of the sections, in bytes. */
  get bytes(): number {
    return this.sections.reduce((sum, {length}) => sum + 4 * length, 0);
  }

  mark(): Mark {
    const passes = this.passes.map((pass) => ({pass, groups: pass.groups.map(({tiles}) => tiles.length)}));
    return {lengths: this.sections.map(({length}) => length), passes};
  }

  /** Forgets what was added since. */
  rollback({lengths, passes}: Mark): void {
    this.sections.forEach((list, index) => (list.length = lengths[index]!));
    this.passes = passes.map(({pass, groups}) => {
      pass.groups.length = groups.length;
      groups.forEach((length, group) => (pass.groups[group]!.tiles.length = length));
      return pass;
    });
  }

  /** Where tiles of these kinds go, for these lines. */
  group(kinds: Kinds, order: number, lines: readonly number[], tile = this.tile): DraftGroup {
    const isSame = (each: DraftPass): boolean =>
      each.order === order && each.tile === tile && (each.kinds === kinds || keyOf(each.kinds) === keyOf(kinds));
    let pass = this.passes.find(isSame);
    if (pass === undefined) this.passes.push((pass = {kinds, tile, order, groups: []}));
    let group = pass.groups.find((each) => each.lines === lines);
    if (group === undefined) pass.groups.push((group = {pass, lines, tiles: []}));
    return group;
  }

  /** Adds a tile that visits the spans from number `spanBegin` on. */
  add({tiles, pass}: DraftGroup, first: number, stride: number, count: number, spanBegin: number, number = 0): void {
    const {keys} = pass.tile;
    const {data, length} = this.spans;
    let weight = 0;
    let full = 0;
    for (let at = SPAN.words * spanBegin; at < length; at += SPAN.words) {
      const begin = data[at + SPAN.at.begin]!;
      weight += Math.ceil((data[at + SPAN.at.end]! - begin) / keys);
      const fullTiles =
        Math.floor((data[at + SPAN.at.fullEnd]! - begin) / keys) - Math.ceil((data[at + SPAN.at.fullBegin]! - begin) / keys);
      if (fullTiles > 0) full += fullTiles;
    }
    tiles.push({
      first,
      stride,
      count,
      number,
      spanBegin,
      spanEnd: length / SPAN.words,
      weight,
      full,
      pairs: 0,
      distinct: 0,
      idle: 0,
    });
  }

  /** Adds rows of a row-wise pass, with the spans from number `spanBegin` on; `distinct` keys in all. */
  addOwn({tiles, pass}: DraftGroup, first: number, stride: number, count: number, spanBegin: number, distinct: number): void {
    const {data} = this.spans;
    let [most, pairs] = [0, 0];
    const spanEnd = this.nextSpan;
    for (let span = spanBegin; span < spanEnd; span++) {
      const at = SPAN.words * span;
      const keys = data[at + SPAN.at.end]! - data[at + SPAN.at.begin]!;
      most = Math.max(most, keys);
      pairs += keys * rowsPerSpan(pass.kinds)!;
    }
    const weight = ceilDiv(most, pass.tile.keys);
    const idle = most * pass.tile.rows - pairs;
    tiles.push({first, stride, count, number: 0, spanBegin, spanEnd, weight, full: weight, pairs, distinct, idle});
  }

  /** The number of the span that will be written next. */
  get nextSpan(): number {
    return this.spans.length / SPAN.words;
  }

  /** What has been added since `mark`, by the shape of tiles. */
  counts(since: Mark | null = null): Counts[] {
    const all: Counts[] = [];
    for (const pass of this.passes) {
      let total = all.find(({tile}) => tile === pass.tile);
      if (total === undefined) all.push((total = {tile: pass.tile, ...NO_COUNTS}));
      const before = since?.passes.find((each) => each.pass === pass)?.groups;
      const tested = pass.kinds.mask === 'interval' ? 'partial' : pass.kinds.keys === 'list' ? 'listed' : 'bits';
      pass.groups.forEach(({lines, tiles}, index) => {
        for (let at = before?.[index] ?? 0; at < tiles.length; at++) {
          const {weight, full, count, pairs, distinct, idle} = tiles[at]!;
          if (isRowWise(pass.kinds)) {
            total.ownRows += count * lines.length;
            total.pairs += pairs * lines.length;
            total.distinct += distinct * lines.length;
            total.idle += idle * lines.length;
            continue;
          }
          total.tiles += weight * lines.length;
          total[tested] += (weight - full) * lines.length;
          total.items += lines.length;
        }
      });
    }
    return all;
  }

  /** Cuts long tiles into equal parts, sorts those of each pass longest first, packs everything. `before`: what the draft beside was packed to; this one stands behind. */
  *pack(
    {parts: partsOf, direct = true, last = false, mostSlots: mostOf = () => Infinity}: Cutting,
    before?: Packed,
  ): Sliced<Tiling> {
    const {items, merges, parts, wave} = this;
    for (const list of [items, merges, parts]) list.length = 0;
    const passes: Pass[] = [];
    const sorted: number[] = [];
    let slots = 0;
    let most = 0;
    let weights: number[] = [];
    let yielded = 0;
    const endWave = ({kinds, tile, order}: DraftPass): void => {
      const previous = passes.at(-1);
      const [itemBegin, mergeBegin] = [previous?.itemEnd ?? 0, previous?.mergeEnd ?? 0];
      for (const index of longestFirst(weights)) {
        const at = items.grow(ITEM.words);
        // Word by word, not as a view of each: 32 heads of four patterns are planned in 6.4 ms where it was 7.6, the four in 5.4.
        for (let word = 0; word < ITEM.words; word++) items.data[at + word] = wave.data[ITEM.words * index + word]!;
        sorted.push(weights[index]!);
      }
      const ends = {itemEnd: items.length / ITEM.words, mergeEnd: merges.length / MERGE.words};
      passes.push({kinds, tile, itemBegin, mergeBegin, ...ends, continues: order > 0, slots});
      most = Math.max(most, slots);
      slots = 0;
      wave.length = 0;
      weights = [];
    };
    for (const pass of [...this.passes].sort((a, b) => a.order - b.order)) {
      const {longest, part} = partsOf(weightsOf(pass), pass.tile);
      const own = isRowWise(pass.kinds);
      const {keys} = pass.tile;
      const mostSlots = mostOf(pass.tile);
      wave.length = 0;
      for (const {lines, tiles} of pass.groups) {
        for (const tile of tiles) {
          const {weight, spanBegin, spanEnd} = tile;
          if (parts.length + wave.length > yielded + PACKED) {
            yield;
            yielded = parts.length + wave.length;
          }
          if (weight === 0 && (pass.order > 0 || !direct)) {
            if (pass.order === 0) for (const line of lines) this.merge(tile, slots, slots, line);
            continue;
          }
          const wanted = Math.min(weight <= longest ? 1 : ceilDiv(weight, part), mostSlots);
          const perPart = Math.max(1, ceilDiv(weight, wanted));
          // Rows without keys are one part too: somebody has to write their zeros.
          const cuts = Math.max(1, ceilDiv(weight, perPart));
          const alone = direct && cuts === 1;
          const ends = [parts.length / SPAN.words];
          for (let from = 0; from < cuts * perPart; from += perPart) {
            const to = Math.min(weight, from + perPart);
            (own ? copyOwn : copyTiles)(this.spans, spanBegin, spanEnd, keys, from, to, parts);
            ends.push(parts.length / SPAN.words);
          }
          for (const line of lines) {
            if (!alone && slots + cuts > mostSlots) endWave(pass);
            if (!alone) this.merge(tile, slots, slots + cuts, line);
            for (let index = 0; index < cuts; index++) {
              const length = Math.min(weight, (index + 1) * perPart) - index * perPart;
              this.item(tile, alone ? -1 : slots++, ends[index]!, ends[index + 1]!, line, own ? length : tile.number);
              weights.push(length);
            }
          }
        }
      }
      endWave(pass);
      yield;
      yielded = parts.length;
    }
    const own = {items: items.view(), spans: parts.view(), merges: merges.view()};
    const {intervals, numbers, bits} = this;
    const shared = {intervals: intervals.view(), numbers: numbers.view(), bits: bits.view()};
    const packed =
      before === undefined
        ? yield* packing({...own, ...shared}, undefined, last ? intervals : null)
        : behind(before, yield* packing(own, before.schedule));
    return {...packed, passes, weights: new Int32Array(sorted), slots: most};
  }

  private item(
    {first, stride, count}: DraftTile,
    slot: number,
    spanBegin: number,
    spanEnd: number,
    line: number,
    number: number,
  ): void {
    const from = this.wave.grow(ITEM.words);
    const {data} = this.wave;
    data[from + ITEM.at.firstRow] = first;
    data[from + ITEM.at.rowStride] = stride;
    data[from + ITEM.at.rows] = count;
    data[from + ITEM.at.slot] = slot;
    data[from + ITEM.at.spanBegin] = spanBegin;
    data[from + ITEM.at.spanEnd] = spanEnd;
    data[from + ITEM.at.number] = number;
    data[from + ITEM.at.line] = line;
  }

  private merge({first, stride, count}: DraftTile, slotBegin: number, slotEnd: number, line: number): void {
    const from = this.merges.grow(MERGE.words);
    const {data} = this.merges;
    data[from + MERGE.at.firstRow] = first;
    data[from + MERGE.at.rowStride] = stride;
    data[from + MERGE.at.rows] = count;
    data[from + MERGE.at.slotBegin] = slotBegin;
    data[from + MERGE.at.slotEnd] = slotEnd;
    data[from + MERGE.at.unused] = 0;
    data[from + MERGE.at.none] = 0;
    data[from + MERGE.at.line] = line;
  }
}

/** The tiles that each item of a pass would visit, uncut. */
function weightsOf({groups}: DraftPass): number[] {
  const weights: number[] = [];
  for (const {lines, tiles} of groups)
    for (const {weight} of tiles) for (let line = 0; line < lines.length; line++) weights.push(weight);
  return weights;
}

/** A schedule behind another, whose sections of intervals, numbers and bits it uses. */
function behind({offsets: {intervals, numbers, bits}}: Packed, {schedule, offsets}: Packed): Packed {
  return {schedule, offsets: Object.freeze({...offsets, intervals, numbers, bits})};
}
