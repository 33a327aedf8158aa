import {ceilDiv} from '../support/index.js';
import type {Plan} from './plan.js';
import {forEachRun, type LineName} from './visit.js';

/** Most characters a line of a drawing has. */
const MAX_COLUMNS = 48;

/** What one character of a drawing stands for. */
interface Cell {
  readonly queries: number;
  readonly keys: number;
  readonly columns: number;
  readonly rows: number;
}

/**
 * The pairs a plan computes as a picture: queries down, keys across, `█` where every pair attends, `▒` some, `·` none. Characters are
 * twice as high as wide, so one stands for twice as many queries as keys; both are powers of two, as the sides of tiles are. Heads and
 * sequences that differ have a picture each.
 */
export function draw(plan: Plan): string {
  const {queryLength, keyLength, heads, batch} = plan.problem;
  const [first] = plan.passes;
  // A mask tensor comes with the call.
  if (first === undefined || first.kinds.mask === 'tensor' || queryLength === 0 || keyLength === 0) return '';
  const keys = 2 ** Math.ceil(Math.log2(Math.max(1, Math.max(queryLength, keyLength) / MAX_COLUMNS)));
  const queries = 2 * keys;
  const cell = {queries, keys, columns: ceilDiv(keyLength, keys), rows: ceilDiv(queryLength, queries)};
  const pictures = new Map<string, string[]>();
  for (let b = 0; b < (first.kinds.batch === 'item' ? batch : 1); b++) {
    for (let h = 0; h < (first.kinds.heads === 'item' ? heads : 1); h++) {
      const drawing = picture(plan, cell, {batch: b, head: h});
      const name = [
        ...(first.kinds.batch === 'item' ? [`sequence ${b}`] : []),
        ...(first.kinds.heads === 'item' ? [`head ${h}`] : []),
      ];
      pictures.set(drawing, [...(pictures.get(drawing) ?? []), name.join(' ')]);
    }
  }
  const all = [...pictures].map(([drawing, names]) => (names.join('') === '' ? drawing : `${names.join(', ')}:\n${drawing}`));
  return `${all.join('\n')}\n█ full  ▒ partial  · none; a character is ${queries} queries × ${keys} ${keys === 1 ? 'key' : 'keys'}`;
}

function picture(plan: Plan, cell: Cell, line: LineName): string {
  const {queryLength, keyLength} = plan.problem;
  const {queries, keys} = cell;
  const pairs = countRuns(plan, cell, line);
  const lines: string[] = [];
  for (let row = 0; row < cell.rows; row++) {
    let text = '';
    for (let column = 0; column < cell.columns; column++) {
      const area = Math.min(queries, queryLength - row * queries) * Math.min(keys, keyLength - column * keys);
      const found = pairs[row * cell.columns + column]!;
      text += found === 0 ? '·' : found === area ? '█' : '▒';
    }
    lines.push(text);
  }
  return lines.join('\n');
}

function countRuns(plan: Plan, {queries, keys, columns, rows}: Cell, line: LineName): Float64Array {
  const pairs = new Float64Array(rows * columns);
  forEachRun(
    plan,
    (query, firstKey, keyStride, count) => {
      const at = Math.floor(query / queries) * columns;
      if (keyStride > 1) {
        for (let i = 0, key = firstKey; i < count; i++, key += keyStride) pairs[at + Math.floor(key / keys)]! += 1;
        return;
      }
      const end = firstKey + count;
      for (let column = Math.floor(firstKey / keys); column * keys < end; column++) {
        pairs[at + column]! += Math.min(end, (column + 1) * keys) - Math.max(firstKey, column * keys);
      }
    },
    line,
  );
  return pairs;
}
