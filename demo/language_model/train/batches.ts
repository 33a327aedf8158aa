import {CONTEXT} from '../config.js';
import {splitMix} from '../random.js';

/** Bytes and, for each, the byte that follows it. */
export interface Batch {
  readonly inputs: Int32Array;
  readonly targets: Int32Array;
}

/** The examples of one step, from places that follow from the step alone: a run that goes on sees what an unbroken one would. */
export function trainingBatch(corpus: Uint8Array, step: number, sequences: number): Batch {
  const random = splitMix(step);
  const starts = Array.from({length: sequences}, () => Math.floor(random() * (corpus.length - CONTEXT)));
  return batchAt(corpus, starts);
}

/** Example `index` of a text that is cut into contexts, one after the other. */
export function heldOutBatch(text: Uint8Array, index: number): Batch {
  return batchAt(text, [index * CONTEXT]);
}

/** How many there are: each needs the byte after its last. */
export const heldOutCount = (text: Uint8Array): number => Math.floor((text.length - 1) / CONTEXT);

function batchAt(text: Uint8Array, starts: readonly number[]): Batch {
  const inputs = new Int32Array(starts.length * CONTEXT);
  const targets = new Int32Array(starts.length * CONTEXT);
  for (const [i, start] of starts.entries()) {
    inputs.set(text.subarray(start, start + CONTEXT), i * CONTEXT);
    targets.set(text.subarray(start + 1, start + CONTEXT + 1), i * CONTEXT);
  }
  return {inputs, targets};
}
