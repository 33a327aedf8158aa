import type {Acsr, Lines} from '../acsr/index.js';
import {atOnce} from '../support/index.js';
import {toWords} from './bits.js';
import {MAX_VALUE_DIM, TILES} from './configurations.js';
import {Draft, EVERY_LINE} from './draft.js';
import {FORMATS, type Formats} from './formats.js';
import {gridLines, lineKinds, asLines, lineWords} from './lines.js';
import {Union} from './list_tiles.js';
import {freezeTiling} from './make_plan.js';
import {stepParts} from './parts.js';
import {REGULAR, type Kinds, type TileShape, type Work} from './plan.js';
import type {Device, Problem} from './problem.js';
import type {StrideClass} from './row_tiles.js';
import {SpanCutter} from './spans.js';

/**
 * Plans one step of decoding: few rows, and a new plan for every step, so it looks for no better one. `rows` are those of all lines, or of
 * each.
 *
 * Row tiles are contiguous whatever the strides, each with the spans of all of them. So there is one pass, and a key is read once for
 * all rows of a tile; that rows of other residues compute it in vain costs less than a second pass would. Where some row has no runs, all
 * tiles have lists of keys.
 */
export function decodePlan(rows: Acsr | Lines, problem: Problem, device: Device, formats: Formats): Work {
  const tile = decodeTile(problem, device, formats);
  const lines = asLines(rows);
  const words = lineWords(lines, problem);
  const classes = lines.rows.map(classify);
  const listed = classes.includes(null);
  const kinds: Kinds = {...REGULAR, ...lineKinds(lines), ...(listed && {keys: 'list', mask: 'bits'})};
  draft.reset(tile);
  lines.rows.forEach((acsr, index) => {
    const own = lines.of.length === 1 ? EVERY_LINE : words[index]!;
    addTiles(acsr, tile, kinds, own, listed ? listSpans(acsr) : cutSpans(acsr, tile, classes[index]!));
  });
  const parts = (weights: readonly number[]) => stepParts(weights, gridLines(kinds, problem), device, tile);
  return Object.freeze({problem, device, ...freezeTiling(atOnce(draft.pack({parts}))), tile, formats, matrix: null});
}

/** Where plans are put together: one draft, kept from step to step, since fresh memory costs more than what is written to it. */
const draft = new Draft(TILES.decode4);

/** The shape of a decoding step, whose rows all read the same keys. Never of tensor cores, which have nothing to do with so few rows. */
function decodeTile({queryLength, headDim, valueDim}: Problem, device: Device, formats: Formats): TileShape {
  if (queryLength <= TILES.decode4.rows) return TILES.decode4;
  if (queryLength <= TILES.decode16.rows) return TILES.decode16;
  const deep = Math.max(headDim, valueDim) > MAX_VALUE_DIM.other;
  if (device.software) return deep ? TILES.softwareDeep : TILES.software;
  return deep ? TILES.deep : FORMATS[formats.key].bytes < 4 ? TILES.narrowHalves : TILES.narrow;
}

/** Appends the spans of some successive rows. */
type Spans = (first: number, count: number) => void;

function addTiles({queryLength}: Acsr, tile: TileShape, kinds: Kinds, lines: readonly number[], spans: Spans): void {
  const group = draft.group(kinds, 0, lines);
  for (let first = 0; first < queryLength; first += tile.rows) {
    const count = Math.min(tile.rows, queryLength - first);
    const spanBegin = draft.nextSpan;
    spans(first, count);
    draft.add(group, first, 1, count, spanBegin);
  }
}

/** Of the runs of all strides. */
function cutSpans(acsr: Acsr, tile: TileShape, classes: Classes): Spans {
  let mostRuns = 1;
  for (let row = 0; row < acsr.queryLength; row++) mostRuns = Math.max(mostRuns, acsr.rowRuns[row + 1]! - acsr.rowRuns[row]!);
  const cutter = new SpanCutter(acsr, tile.rows, tile.keys, mostRuns, draft);
  return (firstRow, rows) => {
    for (const strideClass of classes)
      cutter.cut({firstRow, rowStride: 1, rows, residues: residuesOf(acsr, firstRow, rows, strideClass)}, strideClass);
  };
}

function listSpans(acsr: Acsr): Spans {
  const words = toWords(acsr);
  const union = new Union(Math.ceil(acsr.keyLength / 32));
  return (first, count) => atOnce(union.list(draft, words, first, count, 'rows'));
}

type Classes = readonly Omit<StrideClass, 'tiles'>[];

/** A class for each stride of a run of several keys; single keys go with stride 1. Null for irregular rows, or when a byte does not number them. */
function classify({stride, count, irregularRows}: Acsr): Classes | null {
  if (irregularRows.length > 0) return null;
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
