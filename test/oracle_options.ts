import type {Attends, Bias} from './oracle_types.js';

/** Reads `data` as a tensor of `shape` broadcast to [batch, heads, queryLength, keyLength]; every dimension is full size or 1. */
export function broadcastBias(data: ArrayLike<number>, shape: readonly [number, number, number, number]): Bias {
  const [batch, heads, queries, keys] = shape;
  return (b, h, q, k) =>
    data[
      (((batch === 1 ? 0 : b) * heads + (heads === 1 ? 0 : h)) * queries + (queries === 1 ? 0 : q)) * keys + (keys === 1 ? 0 : k)
    ]!;
}

/** ALiBi: −slopes[head] · |position − key|. */
export function alibiBias(slopes: ArrayLike<number>, queryOffset: number): Bias {
  return (_b, h, q, k) => -slopes[h]! * Math.abs(q + queryOffset - k);
}

/** `data` is [heads, queryLength + keyLength − 1], one entry for each key − query, ascending; `heads` may be 1 for all heads. */
export function relativeBiasOf(data: ArrayLike<number>, heads: number, queryLength: number, keyLength: number): Bias {
  return (_b, h, q, k) => data[(heads === 1 ? 0 : h) * (queryLength + keyLength - 1) + k - q + queryLength - 1]!;
}

export function sumOfBiases(...biases: readonly Bias[]): Bias {
  return (b, h, q, k) => biases.reduce((sum, bias) => sum + bias(b, h, q, k), 0);
}

/** Only the first keyLengths[batch] keys. */
export function withinLengths(attends: Attends, keyLengths: ArrayLike<number>): Attends {
  return (q, k, b, h) => k < keyLengths[b]! && attends(q, k, b, h);
}

/** Only pairs of one segment; the ids are [batch, queryLength] and [batch, keyLength]. */
export function sameSegment(
  attends: Attends,
  querySegments: ArrayLike<number>,
  keySegments: ArrayLike<number>,
  queryLength: number,
  keyLength: number,
): Attends {
  return (q, k, b, h) => querySegments[b * queryLength + q] === keySegments[b * keyLength + k] && attends(q, k, b, h);
}

/** The factor of each probability under dropout: 1 / (1 − rate) where the hash of the pair is at least rate · 2³², else 0. */
export function dropoutKeep(rate: number, seed: number, heads: number, queryLength: number): Bias {
  const threshold = Math.floor(rate * 2 ** 32);
  return (b, h, q, k) => {
    const row = mix(((b * heads + h) * queryLength + q + mix(seed)) % 2 ** 32);
    return mix((row + product(k, 0x9e3779b9)) % 2 ** 32) >= threshold ? 1 / (1 - rate) : 0;
  };
}

function mix(x: number): number {
  let bits = x >>> 0;
  bits = (bits ^ (bits >>> 16)) >>> 0;
  bits = product(bits, 0x7feb352d);
  bits = (bits ^ (bits >>> 15)) >>> 0;
  bits = product(bits, 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** The low 32 bits of a product, from halves of 16 bits, so that doubles hold every sum. */
function product(a: number, b: number): number {
  const cross = ((a >>> 16) * (b & 0xffff) + (a & 0xffff) * (b >>> 16)) % 2 ** 16;
  return (cross * 2 ** 16 + (a & 0xffff) * (b & 0xffff)) % 2 ** 32;
}
