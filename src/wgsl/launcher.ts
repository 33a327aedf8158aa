import {
  converts,
  gpuOf,
  isRowWise,
  ITEM,
  KEY_ITEM,
  KEY_MERGE,
  MERGE,
  scratchLayout,
  tripMs,
  type Pass,
  type Work,
} from '../plan/index.js';
import {fieldsOf, keptAtMost, pairsPerRow, tailOf, type Tail} from './terms/fields.js';
import {PLAIN, scoreUnit} from './terms/terms.js';
import type {Features} from './text/features.js';
import {ITEMS_FIRST, packParams, type FixedParams} from './text/params.js';
import type {Launch, LaunchPart, Layout, Program, Range} from './text/program.js';

/** Makes the launches of a plan, which share most of their parameters. */
export interface Launcher {
  /** A dispatch that reads no records. */
  one(program: Program, grid: Launch['grid']): Launch;
  /**
   * The dispatches over the items or the merges of a pass: as many as they take, none where there are none. `lines` are heads and
   * sequences, those on the grid unless items name theirs.
   */
  over(program: Program, of: Range['of'], pass: Pass, lines: GridLines, flags: number, how?: How): Launch[];
}

export interface How {
  /** Workgroups of a record. Default 1. */
  readonly groups?: number;
  /** It goes over the items only to see that there is nothing to do, mostly: its time counts for nothing. Default false. */
  readonly repairs?: boolean;
}

export type GridLines = readonly [heads: number, batch: number];

/** What differs from the plan: of a share of a backward pass, of key tiles. */
export interface Own {
  readonly params?: Partial<FixedParams>;
  /** Of items. Default those of row tiles. */
  readonly weights?: Int32Array;
  /** Pair offsets of the sections that ranges are of. Default those of row tiles. */
  readonly sections?: Partial<Record<Range['of'], number>>;
  /** In place of the layout of the call. */
  readonly layout?: Layout;
  /** What an item costs, in items of a forward pass. Default 1. */
  readonly work?: number;
}

const PAIRS: Readonly<Record<Range['of'], number>> = {
  items: ITEM.pairs,
  merges: MERGE.pairs,
  keyItems: KEY_ITEM.pairs,
  keyMerges: KEY_MERGE.pairs,
};

export function launcher(
  plan: Work,
  {
    features = PLAIN,
    maskShape,
    tail = tailOf(plan, features, maskShape ?? null),
  }: {readonly features?: Features; readonly maskShape?: readonly [number, number, number, number]; readonly tail?: Tail},
  {params: changes, sections = plan.offsets, weights = plan.weights, layout, work = 1}: Own = {},
): Launcher {
  const {problem, device, offsets, tile} = plan;
  const {batch, heads, keyHeads, packedHeads, queryLength, keyLength, queryOffset} = problem;
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
    copies: converts(plan.formats),
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
    over: (program, of, pass, lines, flags, {groups = 1, repairs = false} = {}) => {
      const {kinds, itemBegin, itemEnd, mergeBegin, mergeEnd, slots} = pass;
      const areItems = of === 'items' || of === 'keyItems';
      const x = kinds.heads === 'grid' ? lines[0] : 1;
      const z = kinds.batch === 'grid' ? lines[1] : 1;
      const most = Math.max(1, Math.floor(device.maxWorkgroupsPerDimension / groups));
      const trip = areItems ? work * x * z * tripMs(pass, problem, gpuOf(device)) : 0;
      const part = (begin: number, end: number): LaunchPart => {
        const itemsFirst = areItems && isRowWise(kinds) && isEven(weights, begin, end);
        const own = {
          first: sections[of]! + PAIRS[of] * begin,
          flags: flags | (itemsFirst ? ITEMS_FIRST : 0),
          slots,
          // A flag for each subgroup, item by item: ranges of one pass must not share any.
          flagBase: flagBase + begin * batch * heads * tile.threadsY,
        };
        const weight = areItems ? sumOf(weights, begin, end) : null;
        return {
          grid: Object.freeze(itemsFirst ? ([end - begin, x, z] as const) : ([x, (end - begin) * groups, z] as const)),
          range: Object.freeze({of, begin, end, weight, ms: repairs ? 0 : trip * (weight ?? 0)}),
          params: paramsFor(own),
          cut: (ms) => cut(begin, end, ms),
        };
      };
      const cut = (begin: number, end: number, ms: number): LaunchPart[] =>
        rangesOf(begin, end, most, (item) => trip * (areItems ? weights[item]! : 0), ms).map(([from, to]) => part(from, to));
      const [begin, end] = areItems ? [itemBegin, itemEnd] : [mergeBegin, mergeEnd];
      return cut(begin, end, Infinity).map((each) => Object.freeze({program, ...each}));
    },
  };
}

/** Launches that are each predicted to take at most `ms`, or go over one item. */
export const cutLaunches = (launches: readonly Launch[], ms: number): readonly Launch[] =>
  launches.flatMap((launch) => launch.cut?.(ms).map((part) => Object.freeze({...launch, ...part})) ?? [launch]);

/** Ranges of at most `most` records, which is what one dimension of a grid takes, that cost at most `ms` together or are alone. */
function rangesOf(
  begin: number,
  end: number,
  most: number,
  costOf: (record: number) => number,
  ms: number,
): (readonly [begin: number, end: number])[] {
  const ranges: (readonly [number, number])[] = [];
  for (let from = begin, to: number; from < end; from = to) {
    let cost = costOf(from);
    for (to = from + 1; to < end && to - from < most && cost + costOf(to) <= ms; to++) cost += costOf(to);
    ranges.push([from, to]);
  }
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
