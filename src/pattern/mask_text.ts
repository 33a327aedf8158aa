import {ceilDiv, plainNumber, refuse} from '../support/index.js';
import {maskWordCount} from './mask.js';
import {MaskWords} from './mask_words.js';
import type {MaskNode} from './node.js';
import {spell} from './sizes.js';

/** The mask whose words print as `text`. */
export function readMask(queries: unknown, keys: unknown, text: unknown): MaskNode {
  const [queryLength, keyLength] = [plainNumber(queries), plainNumber(keys)];
  const words = readWords(text, maskWordCount('mask', queryLength, keyLength));
  const mask = {kind: 'mask', queryLength: queryLength as number, keyLength: keyLength as number, words} as const;
  checkTails(mask);
  return Object.freeze(mask);
}

function readWords(text: unknown, expected: number): MaskWords {
  if (typeof text !== 'string')
    return refuse('mask.words', spell(text), 'text such as "0xff 0x0*12"', 'Pass what toJSON() or toString() gave.');
  const words: number[] = [];
  const ends: number[] = [];
  let total = 0;
  for (const [run] of text.matchAll(/\S+/g)) {
    const match = /^0x([0-9a-f]{1,8})(?:\*([1-9][0-9]*))?$/i.exec(run);
    if (match === null)
      return refuse('mask.words', spell(run), 'words such as 0xff or 0x0*12', 'Pass what toJSON() or toString() gave.');
    const word = Number.parseInt(match[1]!, 16);
    total += Number(match[2] ?? 1);
    if (word !== words[words.length - 1]) words.push(word);
    else ends.pop();
    ends.push(total);
  }
  if (total !== expected)
    refuse('mask.words', `${total} words`, `queryLength · ⌈keyLength/32⌉ = ${expected} words`, 'Check that the text is whole.');
  return MaskWords.ofRuns(words, ends);
}

/** Bits past the last key must be 0: later stages count bits by the word. */
function checkTails({keyLength, words}: MaskNode): void {
  const tail = keyLength % 32;
  if (tail === 0) return;
  const wordsPerRow = ceilDiv(keyLength, 32);
  words.forEachRun((word, begin, end) => {
    // Whether a row ends among these words.
    if (word >>> tail === 0 || Math.floor(end / wordsPerRow) === Math.floor(begin / wordsPerRow)) return;
    refuse('mask.words', `a bit past key ${keyLength - 1}`, 'rows that end with their last key', 'Check keyLength.');
  });
}
