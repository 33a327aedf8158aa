import type {PlainNode, ResolvedShape} from '../pattern/index.js';

/**
 * Queries whose rows go on as those before them: every run of row q + period is as far from that of row q as this from that of
 * row q − period, and as many keys longer. So a few rows are worked out, and the others follow by addition.
 */
export interface Steady {
  /** The stride of the pattern, 1 where it has none. */
  readonly period: number;
  /** Ascending, each of more than two periods: `from ≤ q ≤ to`. */
  readonly stretches: readonly {readonly from: number; readonly to: number}[];
}

/** Where the runs of a pattern may end, and its stride. */
interface Ends {
  /** Keys that are the same for every query. */
  readonly still: number[];
  /** Distances from a query's position. */
  readonly moving: number[];
  stride: number;
}

/** Meetings of ends for each row: where there are more, rows are worked out one by one. */
const MOST_MEETINGS = 1 / 16;
/** Periods around a meeting in which single keys and neighbours may join, or not yet. */
const MARGIN = 3;

/**
 * What a row is made of depends on how the ends of its runs lie to each other: all comparisons are of two ends, give or take a key or
 * a step. Ends either stand still (those of all keys, of a prefix, of a block) or move with their query, so their order changes only
 * where one that moves meets one that stands still. Runs of one stride are those of a residue, and q + stride has that of q; their ends
 * move by whole steps. Two strides, and the complement of one, make runs of other residues, which this says nothing about.
 */
export function steadyRows(node: PlainNode, shape: ResolvedShape): Steady | null {
  const {queryLength, keyLength, queryOffset} = shape;
  const ends: Ends = {still: [0, keyLength], moving: [], stride: 1};
  if (!gather(node, shape, ends) || (ends.stride > 1 && hasComplement(node))) return null;
  const period = ends.stride;
  if (2 * period >= queryLength || ends.still.length * ends.moving.length > MOST_MEETINGS * queryLength) return null;
  const meetings = ends.still.flatMap((key) => ends.moving.map((distance) => key - distance - queryOffset));
  meetings.push(Infinity);
  meetings.sort((a, b) => a - b);
  const margin = MARGIN * period + 2;
  const stretches: {from: number; to: number}[] = [];
  let from = 0;
  for (const meeting of meetings) {
    const to = Math.min(meeting - margin, queryLength) - 1;
    if (to - from >= 2 * period) stretches.push({from, to});
    from = Math.max(from, meeting + margin + 1);
  }
  return {period, stretches};
}

/** Adds the ends of a pattern; false where rows are looked through, or have several strides. */
function gather(node: PlainNode, shape: ResolvedShape, ends: Ends): boolean {
  const {queryLength, queryOffset} = shape;
  const {still, moving} = ends;
  const takeStride = (stride: number): boolean => {
    if (stride === 1) return true;
    if (ends.stride !== 1 && ends.stride !== stride) return false;
    ends.stride = stride;
    return true;
  };
  switch (node.kind) {
    case 'full':
      return true;
    case 'prefix':
      still.push(node.count);
      return true;
    case 'causal':
      moving.push(0);
      return true;
    case 'slidingWindow':
      moving.push(-node.left * node.dilation, node.right * node.dilation);
      return takeStride(node.dilation);
    case 'strided':
      return takeStride(node.stride);
    case 'globalTokens':
      if (typeof node.tokens !== 'number') return false;
      still.push(node.tokens);
      moving.push(0);
      return true;
    case 'blockLocal': {
      const first = Math.floor(queryOffset / node.size);
      const blocks = Math.ceil(queryLength / node.size) + 1;
      if (blocks > MOST_MEETINGS * queryLength) return false;
      for (let block = 0; block <= blocks; block++) still.push((first + block) * node.size);
      moving.push(0);
      return true;
    }
    case 'documents': {
      let end = 0;
      for (const length of node.lengths) still.push((end += length));
      moving.push(0);
      return true;
    }
    case 'not':
      return gather(node.operand, shape, ends);
    case 'and':
    case 'or':
      return node.operands.every((operand) => gather(operand, shape, ends));
    case 'mask':
      return false;
  }
}

const hasComplement = (node: PlainNode): boolean =>
  node.kind === 'not' || ('operands' in node && node.operands.some(hasComplement));
