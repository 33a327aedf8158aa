import {Recent} from '../../support/index.js';
import {compressLines, mapRows, toSlots, type Lines, type LinesShape, type Pattern, type SlotLayout} from '../../pure.js';

/** What differs from step to step comes first. */
interface SlotRows {
  readonly shape: LinesShape;
  readonly queryLength: number;
  readonly layout: SlotLayout;
  readonly pattern: Pattern;
}

/** Patterns that layers of a model alternate between, for a few lengths in a batch. */
const MOST_ROWS = 8;
const known = new Recent<SlotRows, Lines>(MOST_ROWS);

/** Layers that share a pattern and have as many tokens have the same rows, which are one object then. */
export const slotLines = (rows: SlotRows): Lines =>
  known.get(rows) ??
  known.set(
    rows,
    mapRows(compressLines(rows.pattern, rows.shape), (acsr) => toSlots(acsr, rows.layout, rows.queryLength)),
  );
