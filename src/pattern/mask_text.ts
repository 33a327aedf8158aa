import {ceilDiv, refuse} from '../support/index.js';
import {maskWordCount} from './mask.js';
import type {MaskNode} from './node.js';
import {spell} from './sizes.js';

/** The words of a mask as text: hexadecimal, a run of equal words as `0xff*12`. Exact, and indifferent to case. */
export function printWords(words: Uint32Array): string {
  const runs: string[] = [];
  for (let i = 0, end = 0; i < words.length; i = end) {
    while (end < words.length && words[end] === words[i]) end++;
    const word = `0x${words[i]!.toString(16)}`;
    runs.push(end - i > 1 ? `${word}*${end - i}` : word);
  }
  return runs.join(' ');
}

/** The mask whose words print as `text`. */
export function readMask(queryLength: unknown, keyLength: unknown, text: unknown): MaskNode {
  const words = readWords(text, maskWordCount('mask', queryLength, keyLength));
  const mask = {kind: 'mask', queryLength: queryLength as number, keyLength: keyLength as number, words} as const;
  checkTails(mask);
  return Object.freeze(mask);
}

function readWords(text: unknown, expected: number): Uint32Array {
  if (typeof text !== 'string')
    return refuse('mask.words', spell(text), 'text such as "0xff 0x0*12"', 'Pass what toJSON() or toString() gave.');
  let total = 0;
  const runs = text
    .split(/\s+/)
    .filter(Boolean)
    .map((run) => {
      const match = /^0x([0-9a-f]{1,8})(?:\*([1-9][0-9]*))?$/i.exec(run);
      if (match === null)
        return refuse('mask.words', spell(run), 'words such as 0xff or 0x0*12', 'Pass what toJSON() or toString() gave.');
      const count = Number(match[2] ?? 1);
      total += count;
      return {word: Number.parseInt(match[1]!, 16), count};
    });
  // Counted before anything is filled: `0x0*1e9` is ten characters.
  if (total !== expected)
    refuse('mask.words', `${total} words`, `queryLength · ⌈keyLength/32⌉ = ${expected} words`, 'Check that the text is whole.');
  const words = new Uint32Array(expected);
  let end = 0;
  for (const {word, count} of runs) words.fill(word, end, (end += count));
  return words;
}

/** Bits past the last key must be 0: later stages count bits by the word. */
function checkTails({keyLength, words}: MaskNode): void {
  const tail = keyLength % 32;
  if (tail === 0) return;
  const wordsPerRow = ceilDiv(keyLength, 32);
  for (let last = wordsPerRow - 1; last < words.length; last += wordsPerRow) {
    if (words[last]! >>> tail === 0) continue;
    refuse('mask.words', `a bit past key ${keyLength - 1}`, 'rows that end with their last key', 'Check keyLength.');
  }
}
