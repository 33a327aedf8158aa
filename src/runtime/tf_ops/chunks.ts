import type {Acsr, Lines} from '../../pure.js';
import type {Chunk} from '../terms/part.js';

/** A chunk of this many rows costs more in its arithmetic than in the dozen ops around it. */
const FEW_ROWS = 64;

/**
 * Cuts the queries into chunks of at most `most` (row, key) pairs and `mostRows` rows, at least one row each. Chunks also end where they would visit twice
 * the keys of their widest row, so that a window is not computed as a whole matrix. Without lines every query may attend to every key; where heads or sequences differ,
 * a chunk has the keys of all.
 */
export function chunkRows(
  lines: Lines | null,
  lengths: {queryLength: number; keyLength: number},
  most: number,
  mostRows = Infinity,
): Chunk[] {
  const {queryLength, keyLength} = lengths;
  const span = lines === null ? () => ({begin: 0, end: keyLength}) : jointSpans(lines);
  const chunks: Chunk[] = [];
  for (let rowBegin = 0; rowBegin < queryLength;) {
    let {begin, end} = span(rowBegin);
    let widest = end - begin;
    let rowEnd = rowBegin + 1;
    for (; rowEnd < queryLength; rowEnd++) {
      const row = span(rowEnd);
      const empty = row.begin === row.end;
      const nextBegin = empty ? begin : begin === end ? row.begin : Math.min(begin, row.begin);
      const nextEnd = empty ? end : Math.max(end, row.end);
      widest = Math.max(widest, row.end - row.begin);
      const count = rowEnd + 1 - rowBegin;
      if (count > mostRows || count * (nextEnd - nextBegin) > most || (count > FEW_ROWS && nextEnd - nextBegin > 2 * widest)) break;
      [begin, end] = [nextBegin, nextEnd];
    }
    chunks.push({rowBegin, rowEnd, keyBegin: begin, keyEnd: end});
    rowBegin = rowEnd;
  }
  return chunks;
}

/** The mask of a chunk, row-major [rows, keys] of 0 and 1, and how many pairs are 1. */
export function drawMask(rows: Acsr, {rowBegin, rowEnd, keyBegin, keyEnd}: Chunk): {mask: Uint8Array; pairs: number} {
  const width = keyEnd - keyBegin;
  const mask = new Uint8Array((rowEnd - rowBegin) * width);
  const wordsPerRow = Math.ceil(rows.keyLength / 32);
  let pairs = 0;
  for (let query = rowBegin; query < rowEnd; query++) {
    const base = (query - rowBegin) * width - keyBegin;
    for (let run = rows.rowRuns[query]!; run < rows.rowRuns[query + 1]!; run++) {
      const [start, stride, count] = [rows.start[run]!, rows.stride[run]!, rows.count[run]!];
      for (let i = 0; i < count; i++) mask[base + start + stride * i] = 1;
      pairs += count;
    }
  }
  rows.irregularRows.forEach((query, index) => {
    if (query < rowBegin || query >= rowEnd) return;
    const base = (query - rowBegin) * width - keyBegin;
    for (let key = keyBegin; key < keyEnd; key++) {
      const bit = (rows.bits[index * wordsPerRow + (key >>> 5)]! >>> (key & 31)) & 1;
      mask[base + key] = bit;
      pairs += bit;
    }
  });
  return {mask, pairs};
}

/** As `keySpans`, of all lines together. */
function jointSpans({rows}: Lines): (query: number) => Span {
  const spans = rows.map(keySpans);
  return spans.length === 1 ? spans[0]! : (query) => spans.map((span) => span(query)).reduce(join);
}

/** The span of both, of which either may be empty. */
const join = (a: Span, b: Span): Span =>
  a.begin === a.end ? b : b.begin === b.end ? a : {begin: Math.min(a.begin, b.begin), end: Math.max(a.end, b.end)};

interface Span {
  readonly begin: number;
  readonly end: number;
}

/** From the first key of a row to after its last; begin = end for a row without keys. */
function keySpans(rows: Acsr): (query: number) => Span {
  const irregular = new Set(rows.irregularRows);
  return (query) => {
    // An irregular row has many runs, hence mostly a wide span: not worth searching its bits.
    if (irregular.has(query)) return {begin: 0, end: rows.keyLength};
    const [first, last] = [rows.rowRuns[query]!, rows.rowRuns[query + 1]!];
    if (first === last) return {begin: 0, end: 0};
    let end = 0;
    for (let run = first; run < last; run++) end = Math.max(end, rows.start[run]! + rows.stride[run]! * (rows.count[run]! - 1) + 1);
    return {begin: rows.start[first]!, end};
  };
}
