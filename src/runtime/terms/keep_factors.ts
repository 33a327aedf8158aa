import type {Chunk} from './part.js';

/**
 * What dropout multiplies each probability of a chunk by, [batch, heads, rows, keys]: 0, or 1 / (1 − rate) where it is kept.
 *
 * Which pairs are kept is a hash of seed, batch, head, query and key, so that the backward pass finds them again, whatever its tiles,
 * and every backend drops the same ones. `mix` is lowbias32 (Chris Wellons, hash-prospector, public domain).
 */
export function keepFactors(
  rate: number,
  seed: number,
  {batch, heads, queryLength}: {readonly batch: number; readonly heads: number; readonly queryLength: number},
  {rowBegin, rowEnd, keyBegin, keyEnd}: Chunk,
): Float32Array {
  const threshold = Math.floor(rate * 2 ** 32);
  const kept = 1 / (1 - rate);
  const start = mix(seed);
  const factors = new Float32Array(batch * heads * (rowEnd - rowBegin) * (keyEnd - keyBegin));
  let i = 0;
  for (let head = 0; head < batch * heads; head++) {
    for (let query = rowBegin; query < rowEnd; query++) {
      const row = mix(head * queryLength + query + start);
      for (let key = keyBegin; key < keyEnd; key++, i++) {
        if (mix(row + Math.imul(key, 0x9e3779b9)) >= threshold) factors[i] = kept;
      }
    }
  }
  return factors;
}

/** Of the low 32 bits of a whole number; all bits of the result depend on all of them. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}
