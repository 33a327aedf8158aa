import type {Acsr} from '../acsr/index.js';
import {ceilDiv} from '../support/index.js';
import {toWords} from './bits.js';
import {decodeTile} from './configurations.js';
import {stepPart} from './parts.js';
import type {Plan, Storage, TileShape} from './plan.js';
import type {Device, Problem} from './problem.js';
import type {StrideClass} from './row_tiles.js';
import {IntList, ITEM_PAIRS, longestFirst, MERGE_PAIRS, packSections} from './schedule.js';
import {scratchLayout} from './scratch.js';
import {copyTiles, SpanCutter} from './spans.js';

/**
 * Plans one step of decoding: few rows, and a new plan for every step, so it looks for no better one. `rows` are those of each sequence,
 * or one for all; several are joined, and their items and merges say which sequence they belong to. `maskWords` then has the rows of all.
 *
 * Row tiles are contiguous whatever the strides, each with the spans of all of them. So there is one pass, and a key is read once for
 * all rows of a tile; that rows of other residues compute it in vain costs less than a second pass would.
 */
export function decodePlan(rows: readonly Acsr[], problem: Problem, device: Device, storage: Storage): Plan {
  const tile = decodeTile(problem, device, storage);
  const fused = rows.map((acsr) => cutRows(acsr, tile));
  const isFused = fused.every((sequence) => sequence !== null);
  const words = isFused ? [] : rows.map(toWords);
  const sequences = isFused ? fused : rows.map((acsr, b) => everyTile(acsr, words[b]!, tile));
  const lines = problem.heads * (rows.length === 1 ? problem.batch : 1);
  const keyTiles = sequences.flatMap(({tiles}) => tiles.map((each) => each.keyTiles));
  const joined = join(sequences, tile, stepPart(keyTiles, lines, device, tile));

  const {schedule, slots, offsets, items, merges} = joined;
  const nnz = rows.reduce((sum, acsr) => sum + acsr.nnz, 0);
  const passes = [{itemBegin: 0, itemEnd: items, continues: false, mergeBegin: 0, mergeEnd: merges}];
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
    maskWords,
  });
}

/** The row tiles of one sequence before they are cut into parts. */
interface Sequence {
  readonly spans: IntList;
  readonly intervals: IntList;
  readonly tiles: readonly RowTile[];
}

interface RowTile {
  readonly firstRow: number;
  readonly rows: number;
  readonly spanBegin: number;
  readonly spanEnd: number;
  readonly keyTiles: number;
}

/** One schedule of all sequences, their row tiles cut into parts of at most `part` key tiles. */
function join(sequences: readonly Sequence[], tile: TileShape, part: number) {
  const drafts = new IntList(64);
  const spans = new IntList(64);
  const merges = new IntList(64);
  const weights: number[] = [];
  let slots = 0;
  let intervals = 0;
  sequences.forEach((sequence, b) => {
    let slot = 0;
    const firstSpan = spans.length;
    for (const {firstRow, rows, spanBegin, spanEnd, keyTiles} of sequence.tiles) {
      const perPart = Math.max(1, ceilDiv(keyTiles, Math.max(1, ceilDiv(keyTiles, part))));
      // Rows without keys are one part too: somebody has to write their zeros.
      const parts = Math.max(1, ceilDiv(keyTiles, perPart));
      if (parts > 1) merges.push(firstRow, 1, rows, slot, slot + parts, 0, 0, b);
      for (let from = 0; from < Math.max(1, keyTiles); from += perPart) {
        const begin = spans.length / 8;
        const to = Math.min(keyTiles, from + perPart);
        copyTiles(sequence.spans, spanBegin, spanEnd, tile.keys, from, to, spans);
        weights.push(to - from);
        drafts.push(firstRow, 1, rows, parts > 1 ? slot++ : -1, begin, spans.length / 8, -1, b);
      }
    }
    for (let at = firstSpan; intervals > 0 && at < spans.length; at += 8) spans.data[at + 6]! += intervals;
    intervals += sequence.intervals.length / 2;
    slots = Math.max(slots, slot);
  });
  const items = new IntList(drafts.length);
  for (const index of longestFirst(weights)) items.append(drafts.data.subarray(8 * index, 8 * index + 8));
  const sections = [items, spans, ...sequences.map((sequence) => sequence.intervals), merges];
  const {schedule, at} = packSections(sections.map((section) => section.view()));
  return {
    schedule,
    offsets: {items: at[0]!, spans: at[1]!, intervals: at[2]!, merges: at.at(-1)!},
    slots,
    items: items.length / (2 * ITEM_PAIRS),
    merges: merges.length / (2 * MERGE_PAIRS),
  };
}

/** The spans of all strides of each row tile. Null for rows that have too many runs or too many strides. */
function cutRows(acsr: Acsr, tile: TileShape): Sequence | null {
  if (acsr.irregularRows.length > 0) return null;
  const classes = classify(acsr);
  if (classes === null) return null;
  let mostRuns = 1;
  for (let row = 0; row < acsr.queryLength; row++) mostRuns = Math.max(mostRuns, acsr.rowRuns[row + 1]! - acsr.rowRuns[row]!);
  const cutter = new SpanCutter(acsr, tile.rows, tile.keys, mostRuns);
  const tiles = rowTiles(acsr.queryLength, tile, cutter.spans, (firstRow, rows) => {
    for (const strideClass of classes) {
      const residues = residuesOf(acsr, firstRow, rows, strideClass);
      cutter.cut({firstRow, rowStride: 1, rows, residues}, strideClass);
    }
  });
  return {spans: cutter.spans, intervals: cutter.intervals, tiles};
}

/** Every key tile up to the last key that some row attends to, to be tested against mask bits. */
function everyTile({queryLength, keyLength}: Acsr, words: Uint32Array, tile: TileShape): Sequence {
  const perRow = ceilDiv(keyLength, 32);
  let end = 0;
  words.forEach((word, at) => {
    if (word !== 0) end = Math.max(end, 32 * (at % perRow) + 32 - Math.clz32(word));
  });
  const spans = new IntList(64);
  const tiles = rowTiles(queryLength, tile, spans, () => {
    if (end > 0) spans.push(0, 1, 0, end, 0, 0, 0, -1);
  });
  return {spans, intervals: new IntList(0), tiles};
}

/** `cut` appends the spans of a tile of rows to `spans`. */
function rowTiles(
  queryLength: number,
  tile: TileShape,
  spans: IntList,
  cut: (firstRow: number, rows: number) => void,
): readonly RowTile[] {
  const tiles: RowTile[] = [];
  for (let firstRow = 0; firstRow < queryLength; firstRow += tile.rows) {
    const rows = Math.min(tile.rows, queryLength - firstRow);
    const begin = spans.length;
    cut(firstRow, rows);
    let keyTiles = 0;
    for (let at = begin; at < spans.length; at += 8) keyTiles += ceilDiv(spans.data[at + 3]! - spans.data[at + 2]!, tile.keys);
    tiles.push({firstRow, rows, spanBegin: begin / 8, spanEnd: spans.length / 8, keyTiles});
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
