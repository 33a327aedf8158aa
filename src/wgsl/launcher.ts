import {isRowWise, ITEM, KEY_ITEM, KEY_MERGE, MERGE, scratchLayout, type Pass, type Work} from '../plan/index.js';
import {fieldsOf, keptAtMost, pairsPerRow, tailOf} from './terms/fields.js';
import {PLAIN, scoreUnit} from './terms/terms.js';
import type {Features} from './text/features.js';
import {ITEMS_FIRST, packParams, type FixedParams} from './text/params.js';
import type {Launch, Layout, Program, Range} from './text/program.js';

/** Makes the launches of a plan, which share most of their parameters. */
export interface Launcher {
  /** A dispatch that reads no records. */
  one(program: Program, grid: Launch['grid']): Launch;
  /**
   * The dispatches over the items or the merges of a pass: as many as they take, none where there are none. `lines` are heads and
   * sequences, those on the grid unless items name theirs; `groups` the workgroups of a record.
   */
  over(program: Program, of: Range['of'], pass: Pass, lines: GridLines, flags: number, groups?: number): Launch[];
}

export type GridLines = readonly [heads: number, batch: number];

/** What differs from the plan: of a share of a backward pass, of key tiles. */
export interface Own {
  readonly params?: Partial<FixedParams>;
  /** Of items. Default those of row tiles. */
  readonly weights?: Int32Array;
  /** Pair offsets of the sections that ranges are of. Default those of row tiles. */
  readonly sections?: Partial<Record<Range['of'], number>>;
  /** The layout of what is written, whatever that of the call. */
  readonly layout?: Layout;
}

const PAIRS: Readonly<Record<Range['of'], number>> = {
  items: ITEM.pairs,
  merges: MERGE.pairs,
  keyItems: KEY_ITEM.pairs,
  keyMerges: KEY_MERGE.pairs,
};

export function launcher(
  plan: Work,
  {features = PLAIN, maskShape}: {readonly features?: Features; readonly maskShape?: readonly [number, number, number, number]},
  {params: changes, sections = plan.offsets, weights = plan.weights, layout}: Own = {},
): Launcher {
  const {problem, device, offsets, tile} = plan;
  const {batch, heads, keyHeads, packedHeads, queryLength, keyLength, queryOffset} = problem;
  const tail = tailOf(plan, features, maskShape ?? null);
  const {flags: flagBase} = scratchLayout(plan);
  const shared: FixedParams = {
    flags: 0,
    first: 0,
    queryLength,
    keyLength,
    heads,
    spans: offsets.spans,
    intervals: offsets.intervals,
    numbers: offsets.numbers,
    bits: offsets.bits,
    maskBits: tail.maskBits,
    slotBase: 0,
    slots: 0,
    flagBase,
    maskStrides: maskStrides(maskShape ?? [1, 1, queryLength, keyLength], pairsPerRow(keyLength)),
    keyHeads,
    groupSize: heads / keyHeads,
    packedHeads,
    queryOffset,
    held: tail.held,
    pairs: tail.maskPairs,
    batch,
    share: [0, 0, heads],
    unit: scoreUnit(features),
    farScale: features.farScale,
    rowKeys: 0,
    ...changes,
  };
  const fields = fieldsOf(features, plan, tail);
  const kept = keptAtMost(features);
  const paramsFor =
    (own: Partial<FixedParams>): Launch['params'] =>
    (call) =>
      packParams({...shared, ...own}, layout === undefined ? call : {...call, layout}, fields(call), kept(call));
  return {
    one: (program, grid) => Object.freeze({program, grid: Object.freeze(grid), params: paramsFor({})}),
    over: (program, of, {kinds, itemBegin, itemEnd, mergeBegin, mergeEnd, slots}, lines, flags, groups = 1) => {
      const [begin, end] = of === 'items' || of === 'keyItems' ? [itemBegin, itemEnd] : [mergeBegin, mergeEnd];
      const x = kinds.heads === 'grid' ? lines[0] : 1;
      const z = kinds.batch === 'grid' ? lines[1] : 1;
      return cut(begin, end, Math.max(1, Math.floor(device.maxWorkgroupsPerDimension / groups))).map(([from, to]) => {
        const itemsFirst = (of === 'items' || of === 'keyItems') && isRowWise(kinds) && isEven(weights, from, to);
        const own = {
          first: sections[of]! + PAIRS[of] * from,
          flags: flags | (itemsFirst ? ITEMS_FIRST : 0),
          slots,
          // A flag for each subgroup, item by item: ranges of one pass must not share any.
          flagBase: flagBase + from * batch * heads * tile.threadsY,
        };
        const weight = of === 'items' || of === 'keyItems' ? sumOf(weights, from, to) : null;
        return Object.freeze({
          program,
          grid: Object.freeze(itemsFirst ? ([to - from, x, z] as const) : ([x, (to - from) * groups, z] as const)),
          range: Object.freeze({of, begin: from, end: to, weight}),
          params: paramsFor(own),
        });
      });
    },
  };
}

/** Ranges of at most `most` records, which is what one dimension of a grid takes. Where a dispatch may take too long, this is the place to cut. */
function cut(begin: number, end: number, most: number): (readonly [begin: number, end: number])[] {
  const ranges: (readonly [number, number])[] = [];
  for (let from = begin; from < end; from += most) ranges.push([from, Math.min(end, from + most)]);
  return ranges;
}

/** Whether items, which lie longest first, have nearly the same weight. */
const isEven = (weights: Int32Array, begin: number, end: number): boolean =>
  weights[begin]! * (end - begin) <= MOST_UNEVEN * sumOf(weights, begin, end);

/**
 * Rows of one head then follow one another on the grid and find in the cache what their neighbours read: nearest neighbours n = 16,384 .177 →
 * .122 ms, random 1 % n = 4,096 .077 → .069. Not where some are long, which must begin first: fixed .182 → .231 (lab, H200, 2026-11-29).
 */
const MOST_UNEVEN = 1.5;

function sumOf(weights: Int32Array, begin: number, end: number): number {
  let sum = 0;
  for (let index = begin; index < end; index++) sum += weights[index]!;
  return sum;
}

/** Strides of the mask bits in pairs; broadcast dimensions have stride 0. */
function maskStrides([batch, heads, queries]: readonly number[], perRow: number): [number, number, number, number] {
  const queryStride = queries === 1 ? 0 : perRow;
  const headStride = heads === 1 ? 0 : queries! * perRow;
  return [batch === 1 ? 0 : heads! * queries! * perRow, headStride, queryStride, 0];
}
