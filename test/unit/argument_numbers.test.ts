import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import {
  causal,
  documents,
  fromMask,
  full,
  globalTokens,
  KvCache,
  planAttention,
  prefix,
  relativePositionBias,
  slidingWindow,
  sparseAttention,
  type SparseAttentionOptions,
} from '../../src/index.js';
import {expectAttention, randomInputs} from '../oracle.js';
import {sameSegment, withinLengths} from '../oracle_options.js';
import {tensorsOf} from '../support/attend.js';
import {refusal} from '../support/errors.js';

const PROBLEM = {
  batch: 2,
  heads: 3,
  queryLength: 4,
  keyLength: 5,
  headDim: 2,
  valueDim: 2,
  keyHeads: 3,
  packedHeads: 1,
  queryOffset: 1,
};
const QUERY_IDS = [0, 0, 1, 2, -7, -7, 3, 3];
const KEY_IDS = [0, 0, 1, 1, 2, -7, 3, 2 ** 31 - 1, 3, -(2 ** 31)];

const rows = <T>(entries: readonly T[], length: number): T[][] =>
  Array.from({length: entries.length / length}, (_, i) => entries.slice(i * length, (i + 1) * length));
const big = (entries: readonly number[]): bigint[] => entries.map((entry) => BigInt(entry));

describe('numbers in arrays', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  /** What a call with such options throws. */
  const refused = (options: unknown): string => {
    const tensors = tensorsOf(randomInputs(PROBLEM));
    return refusal(() => sparseAttention(...tensors, full(), options as SparseAttentionOptions)).message;
  };

  it('segments in every form let the same pairs attend', async () => {
    const inputs = randomInputs(PROBLEM);
    const forms: readonly (readonly [unknown, unknown])[] = [
      [tf.tensor2d(QUERY_IDS, [2, 4], 'int32'), tf.tensor2d(KEY_IDS, [2, 5], 'int32')],
      [rows(QUERY_IDS, 4), rows(KEY_IDS, 5)],
      [rows(big(QUERY_IDS), 4), rows(big(KEY_IDS), 5)],
      [rows(big(QUERY_IDS), 4).map((row) => BigInt64Array.from(row)), rows(KEY_IDS, 5).map((row) => Int32Array.from(row))],
    ];
    for (const [query, key] of forms) {
      const output = sparseAttention(...tensorsOf(inputs), full(), {segmentIds: {query, key}} as SparseAttentionOptions);
      await expectAttention(
        output,
        inputs,
        sameSegment(() => true, QUERY_IDS, KEY_IDS, 4, 5),
      );
    }
  });

  it('lengths in every form hide the same keys', async () => {
    const inputs = randomInputs(PROBLEM);
    const forms = [tf.tensor1d([2, 5], 'int32'), [2, 5], [2n, 5n], BigInt64Array.of(2n, 5n), BigUint64Array.of(2n, 5n)];
    for (const keyLengths of [...forms, Int32Array.of(2, 5), Uint8Array.of(2, 5)]) {
      const output = sparseAttention(...tensorsOf(inputs), full(), {keyLengths});
      await expectAttention(
        output,
        inputs,
        withinLengths(() => true, [2, 5]),
      );
    }
  });

  it('lengths out of range are refused in every array; in a tensor they count as 0 and as all keys', async () => {
    for (const wrong of [6, -1]) {
      for (const keyLengths of [[5, wrong], [5n, BigInt(wrong)], Int32Array.of(5, wrong), BigInt64Array.of(5n, BigInt(wrong))])
        expect(refused({keyLengths})).toMatch(`^option keyLengths: found ${wrong}, expected whole numbers from 0 to keyLength, 5`);
    }
    const inputs = randomInputs(PROBLEM);
    const output = sparseAttention(...tensorsOf(inputs), full(), {keyLengths: tf.tensor1d([9, -3], 'int32')});
    await expectAttention(
      output,
      inputs,
      withinLengths(() => true, [5, 0]),
    );
  });

  it('everything else among whole numbers is refused, with what was found', () => {
    const wrong: [unknown, string][] = [
      [2n ** 32n, '4294967296n'],
      [-(2n ** 31n) - 1n, '-2147483649n'],
      [2 ** 32, '4294967296'],
      [2 ** 31, '2147483648'],
      [NaN, 'NaN'],
      [Infinity, 'Infinity'],
      [0.5, '0.5'],
      ['1', "the text '1'"],
      [true, 'true'],
      [null, 'null'],
      [undefined, 'undefined'],
      [{}, 'an object'],
    ];
    for (const [entry, found] of wrong) {
      const query = rows<unknown>(QUERY_IDS, 4);
      query[1]![2] = entry;
      expect(refused({segmentIds: {query, key: rows(KEY_IDS, 5)}}))
        .withContext(found)
        .toBe(
          `option segmentIds.query: found ${found} among the numbers, expected whole numbers from −2³¹ to 2³¹ − 1. ` +
            (entry == null
              ? 'Fill the gaps.'
              : typeof entry === 'bigint'
                ? 'A BigInt may be −2³¹ to 2³¹ − 1.'
                : 'Look where it comes from.'),
        );
      expect(refused({keyLengths: [5, entry]})).toContain(`option keyLengths: found ${found}`);
    }
    const gap = rows(KEY_IDS, 5);
    gap[0]!.length = 3;
    gap[0]![4] = KEY_IDS[4]!;
    expect(refused({segmentIds: {query: rows(QUERY_IDS, 4), key: gap}})).toContain('segmentIds.key: found undefined');
  });

  it('ragged rows are refused wherever they are', () => {
    const ragged: unknown[][] = [
      [[0, 0, 1, 2], [3]],
      [
        [0, 0, 1, 2],
        [0, 0, 1, 2, 3],
      ],
      [[0, 0, 1, 2], 3],
      [3, [0, 0, 1, 2]],
      [
        [0, 0, 1, 2],
        [[0], 0, 1, 2],
      ],
      [[0, 0, 1, 2], Int32Array.of(0, 0, 1)],
      [[], [0, 0, 1, 2]],
    ];
    for (const query of ragged) {
      expect(refused({segmentIds: {query, key: rows(KEY_IDS, 5)}})).toContain('segmentIds.query: found rows of different lengths');
      expect(refused({bias: query})).toContain('bias: found rows of different lengths');
    }
  });

  it('a BigInt is the number also in tensors of floats', async () => {
    const nested = [[[1], [2]]];
    const nestedBig = [[[1n], [2n]]];
    const options = {bias: [[0, 3], [1, 0]], alibiSlopes: [2], sinks: [1], relativeBias: [[0, 1, 2]]}; // prettier-ignore
    const optionsBig = {bias: [[0n, 3n], [1n, 0n]], alibiSlopes: BigInt64Array.of(2n), sinks: [1n], relativeBias: [[0n, 1n, 2n]]}; // prettier-ignore
    const output = sparseAttention(nestedBig, nestedBig, nestedBig, full(), optionsBig);
    expect(await output.array()).toEqual(await sparseAttention(nested, nested, nested, full(), options).array());
  });

  it('and what is no number is refused there', () => {
    const x = tf.ones([1, 2, 1]);
    const wrong: [unknown, string][] = [
      [2n ** 40n, '1099511627776n'],
      ['1', "the text '1'"],
      [false, 'false'],
      [undefined, 'undefined'],
    ];
    for (const [entry, found] of wrong) {
      const message = `found ${found} among the numbers, expected nested arrays of numbers`;
      expect(refusal(() => sparseAttention([[[1], [entry]]] as never, x, x, full())).message).toContain(`query: ${message}`);
      for (const name of ['bias', 'alibiSlopes', 'sinks', 'relativeBias'])
        expect(refusal(() => sparseAttention(x, x, x, full(), {[name]: [entry]})).message).toContain(`${name}: ${message}`);
    }
  });

  it('of patterns may be BigInt and typed', () => {
    const shape = {queryLength: 4, keyLength: 4};
    expect(String(globalTokens(BigInt64Array.of(3n, 0n)))).toBe('globalTokens([0, 3])');
    expect(String(globalTokens([1n, 2]))).toBe('globalTokens([1, 2])');
    expect(String(globalTokens(2n as never))).toBe('globalTokens(2)');
    expect(String(documents(Int32Array.of(1, 3)))).toBe('documents([1, 3])');
    expect(String(documents([1n, 3n]))).toBe('documents([1, 3])');
    expect(String(prefix(3n as never).and(slidingWindow({left: 2n as never})))).toBe('prefix(3) and slidingWindow(left: 2)');
    expect(causal().attends(2n as never, 1n as never, {queryLength: 4n, keyLength: 4n} as never)).toBeTrue();
    const mask = [1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0];
    const expected = String(fromMask(mask, shape));
    expect(String(fromMask(big(mask), shape))).toBe(expected);
    expect(String(fromMask(BigInt64Array.from(big(mask)), shape))).toBe(expected);
    expect(String(fromMask(mask, {queryLength: 4n, keyLength: 4n} as never))).toBe(expected);
  });

  it('of patterns are refused when they are anything else', () => {
    const one = {queryLength: 1, keyLength: 1};
    for (const entry of [2n ** 40n, -1n, '1', [1], undefined, null, NaN, {}])
      expect(refusal(() => fromMask([entry] as never, one)).thing).toBe('fromMask.mask[0]');
    expect(refusal(() => fromMask([2n ** 40n], one)).found).toBe('1099511627776n');
    expect(refusal(() => globalTokens([2n ** 40n])).found).toBe('1099511627776n');
    expect(refusal(() => documents([-1n])).thing).toBe('documents.lengths[0]');
    expect(refusal(() => documents(new Float32Array([0.5]))).found).toBe('0.5');
    expect(refusal(() => prefix((2n ** 40n) as never)).found).toBe('1099511627776n');
  });

  it('of a cache may be BigInt and typed', () => {
    const step = (): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] => [
      tf.ones([2, 1, 3, 2]),
      tf.ones([2, 1, 3, 2]),
      tf.ones([2, 1, 3, 2]),
    ];
    const cache = new KvCache(slidingWindow({left: 9}), {batch: 2n, keyHeads: 1n, headDim: 2, rollback: 4} as never);
    cache.attend(...step(), {lengths: [2n, 3n]});
    cache.attend(...step(), {lengths: BigInt64Array.of(1n, 3n)});
    cache.attend(...step(), {lengths: Int32Array.of(0, 1)});
    expect(cache.lengths).toEqual([3, 7]);
    cache.rollback(BigInt64Array.of(0n, 2n));
    cache.rollback(1n as never);
    expect(cache.lengths).toEqual([2, 4]);
    for (const lengths of [
      [1n, 2n ** 40n],
      ['1', 1],
      [true, 1],
      [0.5, 1],
      [1, undefined],
    ])
      expect(refusal(() => cache.attend(...step(), {lengths} as never)).thing).toBe('option lengths');
    cache.dispose();
  });

  it('of shapes and options may be BigInt', async () => {
    const shape = {queryLength: 8n, keyLength: 8n, headDim: 4n, heads: 2n, queryOffset: 0n} as never;
    expect(planAttention(causal(), shape).problem.heads).toBe(2);
    const table = tf.ones([4, 1]);
    expect(relativePositionBias(table, {queryLength: 2n, keyLength: 3n} as never).shape).toEqual([1, 4]);
    const x = tf.ones([1, 3, 2]);
    const output = sparseAttention(x, x, x, causal(), {queryOffset: -1n, scale: 1n, seed: 3n} as never);
    expect(await output.data()).toEqual(await sparseAttention(x, x, x, causal(), {queryOffset: -1, scale: 1}).data());
    expect(refused({queryOffset: 2n ** 40n})).toContain('option queryOffset: found 1099511627776n');
  });
});
