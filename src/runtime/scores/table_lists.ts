import {columnsOf, packedKeys, packLists, partLimit, type Lines, type PackedLists, type PackedRows} from '../../pure.js';
import {offsetsOf} from './packing.js';
import type {ScoreTable} from './sparse_scores.js';

/** The lists of a table, by rows and by columns; each made when it is first asked for, and uploaded once. */
interface TableLists {
  rows?: PackedLists;
  columns?: PackedLists;
}

/** By the number of lines: how long rows may be depends on it, and tables that differ have lists for each line. */
const known = new WeakMap<Lines, Map<string, TableLists>>();

export function packedListsOf({lines, sizes}: ScoreTable, transposed: boolean): PackedLists {
  const {batch, heads, keyLength} = sizes;
  let ofLines = known.get(lines);
  if (ofLines === undefined) known.set(lines, (ofLines = new Map<string, TableLists>()));
  const key = `${batch} ${heads}`;
  let found = ofLines.get(key);
  if (found === undefined) ofLines.set(key, (found = {}));
  return transposed
    ? (found.columns ??= pack(lines, batch, heads, (rows) => columnsOf(rows, keyLength)))
    : (found.rows ??= pack(lines, batch, heads, (rows) => rows));
}

function pack<Table extends Pick<PackedRows, 'offsets'>>(
  lines: Lines,
  batch: number,
  heads: number,
  tableOf: (rows: PackedRows) => Table & Parameters<typeof packLists>[0][number],
): PackedLists {
  const tables = lines.rows.map((acsr) => tableOf({offsets: offsetsOf(acsr), columns: packedKeys(acsr)}));
  const of =
    tables.length === 1
      ? [0]
      : Array.from({length: batch * heads}, (_, line) => {
          const [sequence, head] = [Math.floor(line / heads), line % heads];
          return lines.of[(lines.batch === 1 ? 0 : sequence) * lines.heads + (lines.heads === 1 ? 0 : head)]!;
        });
  const limit = Math.max(...tables.map((table) => partLimit(table, batch * heads)));
  return packLists(tables, of, limit);
}
