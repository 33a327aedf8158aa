import {Recent} from '../../support/index.js';
import {compressLines, cutLines, mapRows, toSlots, type Lines, type LinesShape, type Pattern, type SlotLayout} from '../../pure.js';

/** What differs from step to step comes first. */
interface SlotRows {
  readonly shape: LinesShape & {readonly queryOffset: number};
  readonly queryLength: number;
  readonly layout: SlotLayout;
  readonly pattern: Pattern;
}

/** Patterns that layers of a model alternate between, for a few lengths in a batch or for two steps. */
const MOST_ROWS = 12;
const known = new Recent<SlotRows, Lines>(MOST_ROWS);

/** Layers that share a pattern and have as many tokens have the same rows, which are one object then. */
export const slotLines = (rows: SlotRows): Lines => known.get(rows) ?? known.set(rows, cutFromBlock(rows));

/** Rows are worked out for so many tokens at a time: those of one cost nearly as much. */
const BLOCK = 16;
const MOST_BLOCKS = 32;
const MOST_TOKENS = 2 ** 31 - 1;
const blocks = new Recent<Omit<SlotRows, 'queryLength'>, Lines>(MOST_BLOCKS);

/** Rows of a causal pattern have the same keys whatever comes after them. */
function cutFromBlock({shape, queryLength, layout, pattern}: SlotRows): Lines {
  const {queryOffset: first, queryLength: count} = shape;
  const from = first - (first % BLOCK);
  const to = Math.min(MOST_TOKENS, from + BLOCK * Math.ceil((first + count - from) / BLOCK));
  const keyLength = Math.max(to, shape.keyLength);
  const block = {shape: {...shape, queryOffset: from, queryLength: to - from, keyLength}, layout, pattern};
  const lines =
    blocks.get(block) ??
    blocks.set(
      block,
      mapRows(compressLines(pattern, block.shape), (acsr) => toSlots(acsr, layout)),
    );
  return cutLines(lines, first - from, count, queryLength);
}
