import {ceilDiv, isPromise, plainNumber, refuse} from '../support/index.js';
import {MaskWords} from './mask_words.js';
import type {MaskNode} from './node.js';
import {checkSize, spell} from './sizes.js';

/** 512 MiB of words, 65,536 × 65,536 pairs, where a pattern holds them all. */
const MAX_WORDS = 2 ** 27;

/** The number of 32-bit words that a mask of this shape takes, when it is one that may be held. */
export function maskWordCount(thing: string, queryLength: unknown, keyLength: unknown): number {
  const queries = checkSize(`${thing}.queryLength`, queryLength, {least: 0});
  const keys = checkSize(`${thing}.keyLength`, keyLength, {least: 0});
  const words = queries * ceilDiv(keys, 32);
  if (words <= MAX_WORDS) return words;
  return refuse(
    thing,
    `a shape of [${queries}, ${keys}]`,
    `at most ${MAX_WORDS} words of 32 pairs`,
    'Say the pattern with the named patterns, which take no memory.',
  );
}

/** Packs one byte, number or boolean per pair, row-major [queryLength, keyLength], to one bit per pair. */
export function packMask(
  mask: ArrayLike<unknown>,
  shape: {readonly queryLength: unknown; readonly keyLength: unknown},
  nameOf = (entry: number): string => `fromMask.mask[${entry}]`,
): MaskNode {
  const [queryLength, keyLength] = [shape.queryLength, shape.keyLength] as [number, number];
  const words = new Uint32Array(maskWordCount('fromMask', queryLength, keyLength));
  if (typeof mask !== 'object' || mask === null || mask.length !== queryLength * keyLength) {
    const found = Number.isInteger(mask?.length) ? `${mask.length} entries` : spell(mask);
    refuse(
      'fromMask.mask',
      found,
      `queryLength · keyLength = ${queryLength * keyLength} entries`,
      'Flatten the mask row by row: entry query · keyLength + key.',
    );
  }
  const packed = mask instanceof Uint8Array && keyLength % 4 === 0 && packBytes(mask, keyLength, words);
  if (!packed) packAny(mask, keyLength, words, nameOf);
  return Object.freeze({kind: 'mask', queryLength, keyLength, words: MaskWords.of(words)});
}

/** Refuses what holds a mask that has not come yet, before the shape, which nobody gives beside a tensor. */
export function checkReadBack(mask: unknown): void {
  const expected = 'an array of queryLength · keyLength entries';
  if (isPromise(mask))
    refuse('fromMask.mask', 'a promise', expected, 'Await it: fromMask(await mask.data(), {queryLength, keyLength}).');
  const {dtype, shape} = (mask ?? {}) as {readonly dtype?: unknown; readonly shape?: unknown};
  if (typeof dtype !== 'string' || !Array.isArray(shape)) return;
  const cure = 'Read it back: await patternFromMask(mask), or fromMask(await mask.data(), {queryLength, keyLength}).';
  refuse('fromMask.mask', `a tensor of dtype ${dtype}, [${shape.join(', ')}]`, expected, cure);
}

/**
 * Packs four bytes at a time when all bytes are 0 or 1; false, with `words` unfinished, when some are not.
 * Four bytes are read as one little-endian word, as on every machine that has WebGPU.
 */
function packBytes(mask: Uint8Array, keyLength: number, words: Uint32Array): boolean {
  const aligned = mask.byteOffset % 4 === 0 ? mask : mask.slice();
  const quads = new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.length / 4);
  const quadsPerRow = keyLength / 4;
  let seen = 0;
  let word = 0;
  for (let row = 0; row < quads.length; row += quadsPerRow) {
    for (let first = row; first < row + quadsPerRow; first += 8) {
      const end = Math.min(first + 8, row + quadsPerRow);
      let bits = 0;
      for (let i = first, shift = 0; i < end; i++, shift += 4) {
        const quad = quads[i]!;
        seen |= quad;
        // Bits 0, 8, 16, 24 land on bits 28, 29, 30, 31; no two products share a bit, so nothing carries.
        bits |= (Math.imul(quad, 0x10204080) >>> 28) << shift;
      }
      words[word++] = bits;
    }
  }
  return (seen & 0xfefefefe) === 0;
}

function packAny(mask: ArrayLike<unknown>, keyLength: number, words: Uint32Array, nameOf: (entry: number) => string): void {
  words.fill(0);
  const wordsPerRow = ceilDiv(keyLength, 32);
  for (let row = 0, i = 0; i < mask.length; row += wordsPerRow) {
    for (let key = 0; key < keyLength; key++, i++) {
      const given = mask[i];
      const entry = typeof given === 'bigint' ? plainNumber(given) : given;
      if (entry === 0 || entry === false) continue;
      if (entry !== true && !(typeof entry === 'number' && entry > 0)) {
        refuse(
          nameOf(i),
          spell(given),
          '0 or false to hide a key, 1 or true to attend to it',
          'A mask of scores to add is a bias: pass it as options.bias.',
        );
      }
      words[row + (key >>> 5)]! |= 1 << (key & 31);
    }
  }
}
