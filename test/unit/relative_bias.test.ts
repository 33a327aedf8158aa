import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import {diagonalSums, spreadDiagonals} from '../../src/runtime/terms/diagonals.js';
import {relativePositionBias} from '../../src/runtime/helpers/relative_bias.js';
import {SplatError} from '../../src/support/index.js';
import {expectWithin, mulberry32} from '../oracle.js';
import '../oracle_gradients.js';

/** A table whose entry is the number of its bucket, so that the bias names buckets; the second head counts down. */
const numbered = (buckets: number): tf.Tensor2D => tf.tensor2d(Array.from({length: buckets}, (_, bucket) => [bucket, -bucket]));

/** The formula as Mesh TensorFlow and Hugging Face write it, operation by operation in float32. */
function published(relativePosition: number, bidirectional: boolean, numBuckets: number, maxDistance: number): number {
  let relativeBuckets = 0;
  if (bidirectional) {
    numBuckets = Math.floor(numBuckets / 2);
    relativeBuckets += (relativePosition > 0 ? 1 : 0) * numBuckets;
    relativePosition = Math.abs(relativePosition);
  } else {
    relativePosition = -Math.min(relativePosition, 0);
  }
  const maxExact = Math.floor(numBuckets / 2);
  const isSmall = relativePosition < maxExact;
  const f = Float32Array.of(relativePosition / maxExact, 0, 0, Math.log(maxDistance / maxExact));
  f[1] = Math.log(f[0]!);
  f[2] = f[1]! / f[3]!;
  f[2] = f[2]! * (numBuckets - maxExact);
  const ifLarge = Math.min(maxExact + Math.trunc(f[2]!), numBuckets - 1);
  return relativeBuckets + (isSmall ? relativePosition : ifLarge);
}

for (const backend of ['cpu', 'wasm'])
  describe(`relativePositionBias on the ${backend} backend`, () => {
    beforeAll(() => tf.setBackend(backend));

    it('has the buckets of T5 encoders', async () => {
      const bias = relativePositionBias(numbered(32), {queryLength: 200, keyLength: 300, queryOffset: 0});
      expect(bias.shape).toEqual([2, 499]);
      const data = await bias.data();
      const borders = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
      for (let relative = -199; relative < 300; relative++) {
        const bucket = borders.findLastIndex((border) => Math.abs(relative) >= border) + (relative > 0 ? 16 : 0);
        expect(data[relative + 199])
          .withContext(`relative position ${relative}`)
          .toBe(bucket);
        expect(Math.abs(data[499 + relative + 199]!)).toBe(bucket);
      }
    });

    it('has the buckets of T5 decoders', async () => {
      const options = {queryLength: 200, keyLength: 200, bidirectional: false};
      const data = await relativePositionBias(numbered(32), options).data();
      const borders = [...Array.from({length: 17}, (_, i) => i), ...[19, 21, 24, 27, 31, 35, 40, 46, 52, 59, 67, 77, 87, 99, 113]];
      for (let relative = -199; relative < 200; relative++) {
        const bucket = relative > 0 ? 0 : borders.findLastIndex((border) => -relative >= border);
        expect(data[relative + 199])
          .withContext(`relative position ${relative}`)
          .toBe(bucket);
      }
    });

    it('is the published formula for other tables, too', () =>
      fc.assert(
        fc.asyncProperty(
          fc.record({half: fc.integer({min: 2, max: 40}), bidirectional: fc.boolean(), far: fc.integer({min: 1, max: 500})}),
          fc.record({
            queryLength: fc.integer({min: 1, max: 90}),
            keyLength: fc.integer({min: 1, max: 90}),
            moved: fc.option(fc.integer({min: -99, max: 99})),
          }),
          async ({half, bidirectional, far}, {queryLength, keyLength, moved}) => {
            const buckets = 2 * half;
            const maxDistance = (bidirectional ? half >> 1 : half) + far;
            const offset = moved ?? keyLength - queryLength;
            const options = {queryLength, keyLength, bidirectional, maxDistance, ...(moved !== null && {queryOffset: moved})};
            const data = await relativePositionBias(numbered(buckets), options).data();
            for (const [query, key] of [
              [0, 0],
              [queryLength - 1, 0],
              [0, keyLength - 1],
              [queryLength >> 1, keyLength >> 1],
            ] as const)
              expect(data[key - query + queryLength - 1]).toBe(
                published(key - (query + offset), bidirectional, buckets, maxDistance),
              );
          },
        ),
        {numRuns: 100},
      ));

    it('is differentiable in its table: each bucket gathers its entries', async () => {
      const options = {queryLength: 5, keyLength: 7};
      const weights = tf.randomUniform<tf.Rank.R2>([2, 11], -1, 1, 'float32', 4);
      const gradient = tf.grad((table: tf.Tensor) => tf.sum(tf.mul(relativePositionBias(table, options), weights)))(numbered(8));
      const expected = new Float64Array(16);
      const data = await weights.data();
      for (let h = 0; h < 2; h++)
        for (let entry = 0; entry < 11; entry++) expected[published(entry - 4 - 2, true, 8, 128) * 2 + h]! += data[h * 11 + entry]!;
      expectWithin(await gradient.data(), expected, 1e-6);
    });

    it('spreads entries along diagonals and sums them up again', () =>
      fc.assert(
        fc.asyncProperty(
          fc.record({heads: fc.integer({min: 1, max: 3}), rows: fc.integer({min: 1, max: 9}), keys: fc.integer({min: 1, max: 9})}),
          async ({heads, rows, keys}) => {
            const random = mulberry32(rows * 100 + keys);
            const width = rows + keys - 1;
            const entries = Float32Array.from({length: heads * width}, random);
            const matrix = Float32Array.from({length: heads * rows * keys}, random);
            const spread = spreadDiagonals(tf.tensor2d(entries, [heads, width]), rows, keys);
            const sums = diagonalSums(tf.tensor3d(matrix, [heads, rows, keys]));
            expect([spread.shape, sums.shape]).toEqual([
              [heads, rows, keys],
              [heads, width],
            ] as never);
            const expected = new Float64Array(heads * width);
            const read = matrix.map((x, i) => {
              const at = Math.floor(i / keys / rows) * width + (i % keys) - (Math.floor(i / keys) % rows) + rows - 1;
              expected[at]! += x;
              return entries[at]!;
            });
            expect(await spread.data()).toEqual(read);
            expectWithin(await sums.data(), expected, 1e-5);
          },
        ),
        {numRuns: 60},
      ));
  });

describe('relativePositionBias', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('says what is wrong with its arguments', () => {
    const table = tf.zeros([32, 4]);
    const gone = tf.zeros([32, 4]);
    gone.dispose();
    const lengths = {queryLength: 4, keyLength: 4};
    const calls: [unknown, unknown, RegExp][] = [
      [table, undefined, /^options: found undefined/],
      [table, {...lengths, maxdistance: 3}, /^option 'maxdistance': .*Did you mean 'maxDistance'/],
      [table, {queryLength: 4}, /^option keyLength: found undefined, expected a whole number of at least 1/],
      [table, {...lengths, queryLength: 0}, /^option queryLength: found 0/],
      [table, {...lengths, queryOffset: 0.5}, /^option queryOffset: found 0.5/],
      [table, {...lengths, bidirectional: 'no'}, /^option bidirectional: found no/],
      [table, {...lengths, maxDistance: 8}, /^option maxDistance: found 8, expected a number above 8/],
      [table, {...lengths, maxDistance: 16, bidirectional: false}, /^option maxDistance: found 16, expected a number above 16/],
      [table, {...lengths, maxDistance: NaN}, /^option maxDistance: found NaN/],
      [tf.zeros([31, 4]), lengths, /^table: found shape \[31, 4\], expected .*even/],
      [tf.zeros([2, 4]), lengths, /^table: found shape \[2, 4\], expected .*at least 4/],
      [tf.zeros([1, 4]), {...lengths, bidirectional: false}, /^table: found shape \[1, 4\], expected .*at least 2/],
      [tf.zeros([32]), lengths, /^table: found shape \[32\]/],
      [tf.zeros([32, 4], 'int32'), lengths, /^table: found dtype int32/],
      [gone, lengths, /^table: found a disposed tensor/],
      [[[1]], lengths, /^table: found object/],
    ];
    for (const [given, options, message] of calls)
      expect(() => relativePositionBias(given as tf.Tensor, options as never)).toThrowError(SplatError, message);
  });

  it('leaves nothing behind but its result', () => {
    const table = tf.zeros([32, 4]);
    const before = tf.memory().numTensors;
    relativePositionBias(table, {queryLength: 3, keyLength: 5});
    expect(tf.memory().numTensors).toBe(before + 1);
  });
});
