import type {Acsr} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';
import {toWords} from './bits.js';
import {MAX_VALUE_DIM, TILES} from './configurations.js';
import {stepPart} from './parts.js';
import {REGULAR, type Kinds, type Plan, type Storage, type TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import type {StrideClass} from './row_tiles.js';
import {IntList, ITEM, longestFirst, MERGE, pack, SPAN, write} from './format.js';
import {scratchLayout} from './scratch.js';
import {copyTiles} from './copy_tiles.js';
import {everyKey} from './dense.js';
import {SpanCutter} from './spans.js';

/**
 * Plans one step of decoding: few rows, and a new plan for every step, so it looks for no better one. `rows` are those of each sequence,
 * or one for all; several are joined, and their items and merges say which sequence they belong to. `maskWords` then has the rows of all.
 *
 * Row tiles are contiguous whatever the strides, each with the spans of all of them. So there is one pass, and a key is read once for
 * all rows of a tile; that rows of other residues compute it in vain costs less than a second pass would.
 */
export function decodePlan(rows: readonly Acsr[], problem: Problem, device: Device, storage: Storage): Plan {
  const tile = decodeTile(problem, device, storage);
  for (const list of Object.values(room)) list.length = 0;
  const fused = rows.map((acsr) => cutRows(acsr, tile));
  const isFused = fused.every((tiles) => tiles !== null);
  const words = isFused ? [] : rows.map(toWords);
  const sequences = isFused ? fused : rows.map((acsr, b) => everyTile(acsr, words[b]!, tile));
  const lines = problem.heads * (rows.length === 1 ? problem.batch : 1);
  const keyTiles = sequences.flatMap((tiles) => tiles.map((each) => each.keyTiles));
  const joined = join(sequences, tile, stepPart(keyTiles, lines, device, tile));

  const {schedule, slots, offsets, weights, items, merges} = joined;
  const nnz = rows.reduce((sum, acsr) => sum + acsr.nnz, 0);
  const kinds: Kinds = {...REGULAR, mask: isFused ? 'interval' : 'tensor', batch: rows.length === 1 ? 'grid' : 'item'};
  const passes = [{kinds, itemBegin: 0, itemEnd: items, continues: false, mergeBegin: 0, mergeEnd: merges}];
  const maskWords = isFused ? null : joinWords(words);
  const computed = keyTiles.reduce((sum, tiles) => sum + tiles * tile.rows * tile.keys, 0);
  return Object.freeze({
    problem,
    device,
    implementation: isFused ? 'fused' : 'dense',
    reason: 'a step of decoding',
    nnz,
    density: nnz / Math.max(1, rows.length * problem.queryLength * problem.keyLength),
    tileDensity: computed === 0 ? 1 : nnz / computed,
    costMs: 0,
    bytes: schedule.byteLength + (maskWords?.byteLength ?? 0) + 16 * scratchLayout({problem, passes, slots, tile}).total,
    tile,
    storage,
    matrix: null,
    passes,
    schedule,
    offsets,
    slots,
    weights,
    maskWords,
  });
}

/** The shape of a decoding step, whose rows all read the same keys. Never of tensor cores, which have nothing to do with so few rows. */
function decodeTile({queryLength, headDim, valueDim}: Problem, device: Device, storage: Storage): TileShape {
  if (queryLength <= TILES.decode4.rows) return TILES.decode4;
  if (queryLength <= TILES.decode16.rows) return TILES.decode16;
  const deep = Math.max(headDim, valueDim) > MAX_VALUE_DIM.other;
  if (device.software) return deep ? TILES.softwareDeep : TILES.software;
  return deep ? TILES.deep : storage === 'float16' ? TILES.narrowHalves : TILES.narrow;
}

/** Where plans are put together: one set of lists, kept from step to step, since fresh memory costs more than what is written to it. */
const room = {
  /** Of whole row tiles, and their intervals. */
  spans: new IntList(),
  intervals: new IntList(),
  /** Of their parts. */
  parts: new IntList(),
  drafts: new IntList(),
  items: new IntList(),
  merges: new IntList(),
};

/** A row tile before it is cut into parts. */
interface RowTile {
  readonly firstRow: number;
  readonly rows: number;
  readonly spanBegin: number;
  readonly spanEnd: number;
  readonly keyTiles: number;
}

/** One schedule of all sequences, their row tiles cut into parts of at most `part` key tiles. */
function join(sequences: readonly (readonly RowTile[])[], tile: TileShape, part: number) {
  const {spans, intervals, parts, drafts, items, merges} = room;
  const weights: number[] = [];
  // Of all sequences, for those that items name are on no grid.
  let slots = 0;
  sequences.forEach((tiles, b) => {
    for (const {firstRow, rows, spanBegin, spanEnd, keyTiles} of tiles) {
      const perPart = Math.max(1, ceilDiv(keyTiles, Math.max(1, ceilDiv(keyTiles, part))));
      // Rows without keys are one part too: somebody has to write their zeros.
      const cuts = Math.max(1, ceilDiv(keyTiles, perPart));
      if (cuts > 1)
        write(merges, MERGE, {firstRow, rowStride: 1, rows, none: 0, line: b, slotBegin: slots, slotEnd: slots + cuts, unused: 0});
      for (let from = 0; from < Math.max(1, keyTiles); from += perPart) {
        const partBegin = parts.length / SPAN.words;
        const to = Math.min(keyTiles, from + perPart);
        copyTiles(spans, spanBegin, spanEnd, tile.keys, from, to, parts);
        weights.push(to - from);
        const slot = cuts > 1 ? slots++ : -1;
        const partEnd = parts.length / SPAN.words;
        write(drafts, ITEM, {firstRow, rowStride: 1, rows, none: 0, line: b, slot, spanBegin: partBegin, spanEnd: partEnd});
      }
    }
  });
  const order = longestFirst(weights);
  for (const index of order) items.append(drafts.data.subarray(ITEM.words * index, ITEM.words * (index + 1)));
  // Not by Int32Array.from, which goes through an iterator.
  const ordered = new Int32Array(order.length);
  order.forEach((index, at) => (ordered[at] = weights[index]!));
  return {
    ...pack({items: items.view(), spans: parts.view(), intervals: intervals.view(), merges: merges.view()}),
    weights: ordered,
    slots,
    items: items.length / ITEM.words,
    merges: merges.length / MERGE.words,
  };
}

/** The spans of all strides of each row tile. Null for rows that have too many runs or too many strides. */
function cutRows(acsr: Acsr, tile: TileShape): readonly RowTile[] | null {
  if (acsr.irregularRows.length > 0) return null;
  const classes = classify(acsr);
  if (classes === null) return null;
  let mostRuns = 1;
  for (let row = 0; row < acsr.queryLength; row++) mostRuns = Math.max(mostRuns, acsr.rowRuns[row + 1]! - acsr.rowRuns[row]!);
  const cutter = new SpanCutter(acsr, tile.rows, tile.keys, mostRuns, room);
  return rowTiles(acsr.queryLength, tile, (firstRow, rows) => {
    for (const strideClass of classes) {
      const residues = residuesOf(acsr, firstRow, rows, strideClass);
      cutter.cut({firstRow, rowStride: 1, rows, residues}, strideClass);
    }
  });
}

/** Every key tile up to the last key that some row attends to, to be tested against mask bits. */
function everyTile({queryLength, keyLength}: Acsr, words: Uint32Array, tile: TileShape): readonly RowTile[] {
  const perRow = ceilDiv(keyLength, 32);
  let end = 0;
  words.forEach((word, at) => {
    if (word !== 0) end = Math.max(end, 32 * (at % perRow) + 32 - Math.clz32(word));
  });
  return rowTiles(queryLength, tile, () => {
    if (end > 0) write(room.spans, SPAN, everyKey(end));
  });
}

/** `cut` appends the spans of a tile of rows. */
function rowTiles(queryLength: number, tile: TileShape, cut: (firstRow: number, rows: number) => void): readonly RowTile[] {
  const {spans} = room;
  const tiles: RowTile[] = [];
  for (let firstRow = 0; firstRow < queryLength; firstRow += tile.rows) {
    const rows = Math.min(tile.rows, queryLength - firstRow);
    const begin = spans.length;
    cut(firstRow, rows);
    let keyTiles = 0;
    for (let at = begin; at < spans.length; at += SPAN.words)
      keyTiles += ceilDiv(spans.data[at + SPAN.at.end]! - spans.data[at + SPAN.at.begin]!, tile.keys);
    tiles.push({firstRow, rows, spanBegin: begin / SPAN.words, spanEnd: spans.length / SPAN.words, keyTiles});
  }
  return tiles;
}

type Classes = readonly Omit<StrideClass, 'tiles'>[];

/** A class for each stride of a run of several keys; single keys go with stride 1. Null when a byte does not number them. */
function classify({stride, count}: Acsr): Classes | null {
  const strides = [1];
  const owner = new Uint8Array(stride.length);
  for (let run = 0; run < stride.length; run++) {
    if (count[run] === 1 || stride[run] === 1) continue;
    let index = strides.indexOf(stride[run]!);
    if (index < 0) index = strides.push(stride[run]!) - 1;
    if (index > 255) return null;
    owner[run] = index;
  }
  return strides.map((each, index) => ({stride: each, owner: strides.length === 1 ? null : owner, index}));
}

/** The first keys, modulo the stride of the class, of the runs of a few rows. */
function residuesOf({rowRuns, start}: Acsr, firstRow: number, rows: number, {stride, owner, index}: Classes[number]): number[] {
  if (stride === 1) return [0];
  const residues = new Set<number>();
  for (let run = rowRuns[firstRow]!; run < rowRuns[firstRow + rows]!; run++) {
    if (owner![run] === index) residues.add(start[run]! % stride);
  }
  return [...residues].sort((a, b) => a - b);
}

function joinWords(words: readonly Uint32Array[]): Uint32Array {
  const joined = new Uint32Array(words.reduce((sum, {length}) => sum + length, 0));
  let at = 0;
  for (const each of words) {
    joined.set(each, at);
    at += each.length;
  }
  return joined;
}
