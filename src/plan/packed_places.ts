import type {Acsr} from '../acsr/index.js';
import type {Draft} from './draft.js';
import {INTERVAL, SPAN} from './format.js';

/**
 * Writes into `draft.numbers`, a word for each interval, what is added to number y of a key in its span to make the place of the pair among those of
 * its head, row by row: the keys of a row in a span follow one another there. False where those of some row do not, for keys of other spans lie between
 * them: two strides that mesh.
 *
 * Spans of several residues may share intervals, whose rows are then others: those get intervals of their own.
 */
export function placePairs(draft: Draft, acsr: Acsr): boolean {
  const {spans, intervals, numbers} = draft;
  const count = intervals.length / INTERVAL.words;
  const taken = new Uint8Array(count);
  numbers.grow(count);
  const rank = ranks(acsr);
  for (const {tile, groups} of draft.passes)
    for (const {tiles} of groups)
      for (const {first, stride, count: rows, spanBegin, spanEnd} of tiles)
        for (let span = SPAN.words * spanBegin; span < SPAN.words * spanEnd; span += SPAN.words) {
          let mask = spans.data[span + SPAN.at.mask]!;
          if (mask >= taken.length || taken.subarray(mask, mask + tile.rows).includes(1)) {
            const own = intervals.grow(INTERVAL.words * tile.rows);
            intervals.data.copyWithin(own, INTERVAL.words * mask, INTERVAL.words * (mask + tile.rows));
            numbers.grow(tile.rows);
            spans.data[span + SPAN.at.mask] = mask = own / INTERVAL.words;
          } else taken.fill(1, mask, mask + tile.rows);
          const [firstKey, keyStride] = [spans.data[span + SPAN.at.firstKey]!, spans.data[span + SPAN.at.keyStride]!];
          const [begin, end] = [spans.data[span + SPAN.at.begin]!, spans.data[span + SPAN.at.end]!];
          for (let x = 0; x < rows; x++) {
            const at = INTERVAL.words * (mask + x);
            const low = Math.max(begin, intervals.data[at + INTERVAL.at.lo]!);
            const high = Math.min(end, intervals.data[at + INTERVAL.at.hi]!);
            const row = first + stride * x;
            // Of no keys the first number of the head, which may be read and is not used.
            const place = low < high ? rank(row, firstKey + keyStride * low) : 0;
            if (low < high && rank(row, firstKey + keyStride * (high - 1)) !== place + high - 1 - low) return false;
            intervals.data[at + INTERVAL.at.lo] = low;
            intervals.data[at + INTERVAL.at.hi] = Math.max(low, high);
            numbers.data[mask + x] = place - low;
          }
          // Rows past the tile have no keys.
          for (let x = rows; x < tile.rows; x++)
            intervals.data.fill(0, INTERVAL.words * (mask + x), INTERVAL.words * (mask + x + 1));
        }
  if (numbers.length % 2 === 1) numbers.push(0);
  return true;
}

/** Which place a key has, or would have, among the packed pairs of a head. */
function ranks({queryLength, rowRuns, start, stride, count}: Acsr): (row: number, key: number) => number {
  const offsets = new Float64Array(queryLength + 1);
  for (let row = 0; row < queryLength; row++) {
    let keys = offsets[row]!;
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) keys += count[run]!;
    offsets[row + 1] = keys;
  }
  return (row, key) => {
    let place = offsets[row]!;
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) {
      const before = Math.ceil((key - start[run]!) / stride[run]!);
      place += Math.max(0, Math.min(count[run]!, before));
    }
    return place;
  };
}

/** Whether some row attends to each key of the spans: others are not to be read, for they may hold NaN. */
export function spansAreUsed({spans: {data, length}}: Draft, {keyLength, start, stride, count}: Acsr): boolean {
  // Where keys of runs begin and end, those of stride 1; of others each.
  const ends = new Int32Array(keyLength + 1);
  const used = new Uint8Array(keyLength);
  for (let run = 0; run < start.length; run++) {
    const [first, step, keys] = [start[run]!, stride[run]!, count[run]!];
    if (step === 1) {
      ends[first]!++;
      ends[first + keys]!--;
    } else for (let i = 0; i < keys; i++) used[first + step * i] = 1;
  }
  for (let key = 0, open = 0; key < keyLength; key++) if ((open += ends[key]!) > 0) used[key] = 1;
  for (let span = 0; span < length; span += SPAN.words) {
    const [firstKey, keyStride] = [data[span + SPAN.at.firstKey]!, data[span + SPAN.at.keyStride]!];
    for (let y = data[span + SPAN.at.begin]!; y < data[span + SPAN.at.end]!; y++)
      if (used[firstKey + keyStride * y] === 0) return false;
  }
  return true;
}
