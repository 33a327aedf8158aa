import type {Lines, Pattern, Reach, SlotLayout} from '../../pure.js';
import {slotLines} from './kv_rows.js';
import type {CacheStep} from './kv_step.js';
import type {Arrival} from './kv_store.js';

/** What new tokens are to a cache at the time: where they come, and the slots that they attend to. */
export interface Coming {
  readonly arrival: Arrival;
  /** Of each sequence, or one entry for all. */
  readonly lines: readonly Lines[];
}

/** What rows of a step derive from beside the tokens held. */
export interface CacheRules {
  readonly pattern: Pattern;
  readonly reach: Reach;
  readonly layout: SlotLayout;
  readonly keyHeads: number;
}

/** Tokens that come after the first `first` of each sequence. */
export function comingOf({query, counts}: CacheStep, first: readonly number[], rules: CacheRules): Coming {
  const isSame = first.every((length, b) => length === first[0] && counts[b] === counts[0]);
  const sequences = isSame ? [0] : first.map((_, b) => b);
  const [, heads, tokens] = query.shape;
  return {arrival: {first, counts}, lines: sequences.map((b) => linesOf(first[b]!, counts[b]!, heads, tokens, rules))};
}

/** The slots that `count` new tokens after the first `length` attend to, and empty rows for padding. */
function linesOf(
  length: number,
  count: number,
  heads: number,
  queryLength: number,
  {pattern, reach, layout, keyHeads}: CacheRules,
): Lines {
  // Later keys make no difference to a causal pattern, but tokens that it lists have to be among the keys.
  const keyLength = Math.max(length + count, reach.leastLength);
  const shape = {queryOffset: length, queryLength: count, keyLength, heads, keyHeads, batch: 1};
  return slotLines({shape, queryLength, layout, pattern});
}
