import type {Plan} from '../../plan/index.js';
import {pairsPerRow, type Tail} from './fields.js';

/** What the buffer of a schedule begins with: the schedule, and behind it the mask bits of the plan, whose rows fill whole pairs. */
export function scheduleWords(
  {schedule, maskWords, problem}: Pick<Plan, 'schedule' | 'maskWords' | 'problem'>,
  {maskBits, maskPairs}: Pick<Tail, 'maskBits' | 'maskPairs'>,
  pairs = maskWords === null ? maskBits : maskBits + maskPairs,
): Int32Array<ArrayBuffer> {
  if (2 * pairs === schedule.length) return schedule as Int32Array<ArrayBuffer>;
  const words = new Int32Array(2 * pairs);
  words.set(schedule);
  if (maskWords === null) return words;
  const perRow = Math.ceil(problem.keyLength / 32);
  const rowPairs = pairsPerRow(problem.keyLength);
  for (let row = 0; row * rowPairs < maskPairs; row++) {
    words.set(maskWords.subarray(row * perRow, (row + 1) * perRow), 2 * (maskBits + row * rowPairs));
  }
  return words;
}
