import type {PatternNode, ResolvedShape} from '../pattern/index.js';

/** Queries `from ≤ q ≤ to` whose rows are those of the query before, one key further, but for the first of them. */
export interface Shifts {
  readonly from: number;
  readonly to: number;
}

/** Windows that neither end of the keys cuts move with their query, and so does what `and` and `or` make of them. */
export function shiftsOf(node: PatternNode, {keyLength, queryOffset}: ResolvedShape): Shifts {
  const extent = extentOf(node);
  if (extent === null) return {from: 0, to: -1};
  return {from: extent.back - queryOffset, to: keyLength - 1 - extent.ahead - queryOffset};
}

/** How far before and after a query a key may matter; null where that is no distance. */
function extentOf(node: PatternNode): {readonly back: number; readonly ahead: number} | null {
  switch (node.kind) {
    case 'slidingWindow': {
      const [back, ahead] = [node.left * node.dilation, node.right * node.dilation];
      return Number.isFinite(back) && Number.isFinite(ahead) ? {back, ahead} : null;
    }
    case 'and':
    case 'or': {
      const [a, b] = node.operands.map(extentOf) as [ReturnType<typeof extentOf>, ReturnType<typeof extentOf>];
      if (a !== null && b !== null) return {back: Math.max(a.back, b.back), ahead: Math.max(a.ahead, b.ahead)};
      // What causal() leaves of a window moves with it, though causal() itself begins with key 0.
      const isCut = node.kind === 'and' && node.operands.some(({kind}) => kind === 'causal');
      return isCut ? (a ?? b) : null;
    }
    default:
      return null;
  }
}
