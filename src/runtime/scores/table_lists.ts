import {columnsOf, packedKeys, packLists, partLimit, type Acsr, type Lines, type PackedLists} from '../../pure.js';
import {offsetsOf} from './packing.js';
import type {ScoreTable} from './sparse_scores.js';

/** What lists hold: the pairs of each row, those of each column, or where rows begin and end, which is all that a softmax reads. */
type ListKind = 'rows' | 'columns' | 'spans';

/** By the number of lines: how long rows may be depends on it, and tables that differ have lists for each line. Uploaded once, when they are first read. */
const known = new WeakMap<Lines, Map<string, PackedLists>>();

/** The lists of the pairs of each row, or of each column. */
export const packedListsOf = (table: ScoreTable, transposed: boolean): PackedLists =>
  listsOfKind(table, transposed ? 'columns' : 'rows');

/** Where the rows of a table begin and end. */
export const spansOf = (table: ScoreTable): PackedLists => listsOfKind(table, 'spans');

function listsOfKind({lines, sizes: {batch, heads, keyLength}}: ScoreTable, kind: ListKind): PackedLists {
  let ofLines = known.get(lines);
  if (ofLines === undefined) known.set(lines, (ofLines = new Map<string, PackedLists>()));
  const key = `${kind} ${batch} ${heads}`;
  let found = ofLines.get(key);
  if (found !== undefined) return found;
  const tables = lines.rows.map((acsr) => tableOfKind(acsr, keyLength, kind));
  const limit = kind === 'spans' ? Infinity : Math.max(...tables.map((table) => partLimit(table, batch * heads)));
  ofLines.set(key, (found = packLists(tables, linesOf(lines, batch, heads), limit)));
  return found;
}

function tableOfKind(acsr: Acsr, keyLength: number, kind: ListKind): Parameters<typeof packLists>[0][number] {
  const offsets = offsetsOf(acsr);
  if (kind === 'spans') return {offsets, columns: null};
  const columns = packedKeys(acsr);
  return kind === 'rows' ? {offsets, columns} : columnsOf(offsets, columns, keyLength);
}

/** Which table each line has; of length 1 where all have one. */
function linesOf(lines: Lines, batch: number, heads: number): number[] {
  if (lines.rows.length === 1) return [0];
  return Array.from({length: batch * heads}, (_, line) => {
    const [sequence, head] = [Math.floor(line / heads), line % heads];
    return lines.of[(lines.batch === 1 ? 0 : sequence) * lines.heads + (lines.heads === 1 ? 0 : head)]!;
  });
}
