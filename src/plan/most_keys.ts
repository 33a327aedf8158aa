import {ITEM, SPAN} from './format.js';
import type {Work} from './plan.js';
import {isRowWise} from './row_wise.js';

/** No row adds up values of more keys than this before its sum is divided: those of one item in each pass, for parts are divided each. */
export function mostKeys({problem, passes, schedule, offsets}: Pick<Work, 'problem' | 'passes' | 'schedule' | 'offsets'>): number {
  let most = 0;
  for (const {kinds, itemBegin, itemEnd} of passes) {
    let ofPass = 0;
    for (let index = itemBegin; index < itemEnd; index++) {
      const item = 2 * offsets.items + ITEM.words * index;
      let keys = 0;
      for (let span = schedule[item + ITEM.at.spanBegin]!; span < schedule[item + ITEM.at.spanEnd]!; span++) {
        const at = 2 * offsets.spans + SPAN.words * span;
        const ofSpan = schedule[at + SPAN.at.end]! - schedule[at + SPAN.at.begin]!;
        keys = isRowWise(kinds) ? Math.max(keys, ofSpan) : keys + ofSpan;
      }
      ofPass = Math.max(ofPass, keys);
    }
    most += ofPass;
  }
  // Rows of a tile see other spans of it, and each key once.
  return Math.min(most, problem.keyLength);
}
