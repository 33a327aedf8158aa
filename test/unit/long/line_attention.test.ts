import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import {
  causal,
  full,
  KvCache,
  loadGraphModel,
  patternFromMask,
  perBatch,
  perHead,
  planAttention,
  prefix,
  prepare,
  slidingWindow,
  sparseAttention,
  type Pattern,
} from '../../../src/index.js';
import {GroupedQueryAttention, MultiHeadAttention, replaceAttention} from '../../../src/layers/index.js';
import {chunksOf, toHeads} from '../../../src/runtime/tf_ops/dense.js';
import {expectAttention, randomInputs} from '../../oracle.js';
import {attentionGraph, node, product, scores} from '../../support/attention_graphs.js';
import {arbitraryListDenseCase, spell} from '../../support/dense_cases.js';
import {refusal} from '../../support/errors.js';
import {expectGradients} from '../../support/gradient_cases.js';
import {kerasAttention} from '../../support/keras_attention.js';
import {expectCausalRun, split, tensorsOf, window} from '../../support/kv_cases.js';
import {specifyLines} from '../../support/line_cases.js';
import {BASE, expectCase, type OptionCase} from '../../support/option_cases.js';

for (const backend of ['cpu', 'wasm'])
  describe(`attention with patterns for each head and sequence, on the ${backend} backend`, () => {
    beforeAll(() => tf.setBackend(backend));

    describe('outputs and gradients', specifyLines);

    it('are those of the oracle with any options together', () =>
      fc.assert(
        fc.asyncProperty(arbitraryListDenseCase(), fc.boolean(), async (random, aux) => {
          // The op takes a pattern or a mask.
          const given: OptionCase = {...random, mask: null, aux, implementation: 'auto', precision: 'float32'};
          tf.engine().startScope();
          await expectCase(given);
          await expectGradients(given);
          tf.engine().endScope();
        }),
        {numRuns: 40},
      ));

    it('are cut into chunks of the keys of all heads', async () => {
      const given: OptionCase = {
        ...{...BASE, implementation: 'auto', batch: 1, queryLength: 210, keyLength: 190, queryOffset: -10, headDim: 2, valueDim: 2},
        pattern: 'perHead(slidingWindow(left: 4), slidingWindow(right: 9), not full(), slidingWindow(left: 4))',
      };
      const {tensors, options} = spell(given);
      const chunks = chunksOf(toHeads(tensors, 'bhld'), options.lines);
      expect(chunks.length).toBeGreaterThan(2);
      await expectCase(given);
      await expectGradients(given);
    });
  });

describe('what else takes patterns for each head', () => {
  beforeAll(() => tf.setBackend('cpu'));

  const HEADS = [window(9), prefix(4).or(window(5)).and(causal()), window(3, 3), causal().and(window(20))];

  it('a KvCache holds what the head that reaches furthest needs, and each head sees its own', async () => {
    const pattern = perHead(HEADS);
    const cache = new KvCache(pattern, {keyHeads: 2, headDim: 2, maxStep: 4});
    // Four sinks of the second head, twenty keys back of the last, four new tokens.
    expect(cache.capacity).toBe(4 + 20 + 4);
    for (const group of [1, 2]) {
      const run = {length: 61, steps: split(61, 13, 3), cache: {maxStep: 4}, sizes: {keyHeads: 4 / group, heads: 4}};
      await expectCausalRun(pattern, run, `groups of ${group}`);
      await expectCausalRun(pattern, {...run, steps: split(61, 1, 7), layout: 'blhd'}, `groups of ${group}, heads after tokens`);
    }
  });

  it('a KvCache of sequences of other lengths, and lists that fit none', () => {
    const pattern = perHead(HEADS);
    const [query, key, value] = tensorsOf(
      randomInputs({batch: 2, heads: 4, keyHeads: 2, queryLength: 9, keyLength: 9, headDim: 3, valueDim: 3}),
    );
    const cache = new KvCache(pattern, {batch: 2, keyHeads: 2, headDim: 3});
    const step = (from: number, count: number) =>
      [query, key, value].map((tensor) => tf.slice(tensor, [0, 0, from, 0], [-1, -1, count, -1])) as [
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
      ];
    cache.attend(...step(0, 4), {lengths: [4, 2]});
    const found = cache.attend(...step(4, 3)).arraySync();
    const alone = new KvCache(pattern, {keyHeads: 2, headDim: 3});
    const one = (tensors: tf.Tensor[]) => tensors.map((tensor) => tf.slice(tensor, [1], [1])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    alone.attend(...one(step(0, 2)));
    const expected = alone.attend(...one(step(4, 3))).arraySync();
    expect(found[1]).toEqual(expected[0]!);

    const lengths = cache.lengths;
    const two = tf.ones([2, 2, 1, 3]);
    expect(refusal(() => cache.attend(two, two, two)).message).toContain('found 4 patterns, expected 2, the heads of query');
    expect(refusal(() => new KvCache(pattern, {keyHeads: 2, headDim: 3}).attend(...one([two, two, two]))).thing).toBe('perHead');
    expect(cache.lengths).toEqual(lengths);
    expect(refusal(() => new KvCache(perBatch([causal(), window(3)]), {keyHeads: 1, headDim: 2})).found).toBe('a perBatch');
    expect(refusal(() => new KvCache(perHead([window(3), full()]), {keyHeads: 2, headDim: 2, maxLength: 9})).message).toContain(
      'any number of tokens ahead',
    );
  });

  it('layers take a list, an array of texts and a perHead, and write it into their config', async () => {
    const heads = [causal(), slidingWindow({left: 1, right: 1})];
    const pattern = perHead(heads);
    const layer = new MultiHeadAttention({numHeads: 2, keyDim: 3, pattern: [heads[0]!, 'slidingWindow(left: 1, right: 1)']});
    expect(String(layer.pattern)).toBe(String(pattern));
    expect(layer.getConfig()['pattern']).toBe('perHead(causal(), slidingWindow(left: 1, right: 1))');
    const cls = MultiHeadAttention as unknown as tf.serialization.SerializableConstructor<MultiHeadAttention>;
    expect(String(MultiHeadAttention.fromConfig(cls, layer.getConfig()).pattern)).toBe(String(pattern));
    expect(String(MultiHeadAttention.fromConfig(cls, {numHeads: 2, keyDim: 3, pattern: heads.map(String)}).pattern)).toBe(
      String(pattern),
    );
    const tokens = tf.randomUniform([2, 5, 4], -1, 1, 'float32', 3);
    for (const useCausalMask of [false, true]) {
      const output = layer.apply(tokens, {useCausalMask}) as tf.Tensor;
      const values = Float64Array.from(tokens.dataSync());
      const given = {shape: [2, 5, 4] as const, values};
      const expected = kerasAttention({
        ...{query: given, key: given, value: given, heads: 2, keyHeads: 2, keyDim: 3, valueDim: 3, outputSize: 4},
        weights: layer.getWeights().map((weight) => Array.from(weight.dataSync())),
        pattern: useCausalMask ? pattern.and(causal()) : pattern,
      });
      const worst = Array.from(output.dataSync()).reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i]!)), 0);
      expect(worst).toBeLessThan(1e-5);
    }
  });

  it('layers refuse lists for other heads, before anything is changed', () => {
    const multi = (pattern: unknown) => new MultiHeadAttention({numHeads: 2, keyDim: 3, pattern: pattern as Pattern});
    expect(refusal(() => multi([causal()])).message).toContain('found 1 patterns, expected 2, the heads of query');
    expect(refusal(() => multi([causal(), 3])).message).toContain('MultiHeadAttention.pattern[1]: found 3');
    expect(refusal(() => multi([])).thing).toBe('perHead');
    const grouped = new GroupedQueryAttention({headDim: 2, numQueryHeads: 4, numKeyValueHeads: 2});
    expect(refusal(() => (grouped.pattern = [causal(), full()])).cure).toContain('repeat each pattern 2 times');
    expect(refusal(() => (grouped.pattern = perHead([causal(), full()]))).cure).toContain('repeat each pattern 2 times');
    grouped.pattern = perBatch([causal(), full()]);

    const inputs = tf.input({shape: [6, 4]});
    const [first, second] = [multi(full()), new MultiHeadAttention({numHeads: 3, keyDim: 2})];
    const model = tf.model({inputs, outputs: second.apply(first.apply(inputs)) as tf.SymbolicTensor});
    expect(refusal(() => replaceAttention(model, perHead([causal(), full()]))).thing).toBe('perHead');
    expect([first, second].map(({pattern}) => String(pattern))).toEqual(['full()', 'full()']);
    const {replaced} = replaceAttention(model, [['causal()', full()], causal()]);
    expect(replaced.map(({to}) => String(to))).toEqual(['perHead(causal(), full())', 'causal()']);
    expect(refusal(() => replaceAttention(model, [causal(), full(), causal()])).found).toBe('3 patterns');
  });

  it('graph models take a perHead, of as many heads as there are when they run', async () => {
    const artifacts = attentionGraph([scores, node('probs', 'Softmax', 'scores'), product('out', 'probs', 'v')]);
    const handler = {load: () => Promise.resolve(artifacts)};
    const pattern = perHead([causal(), full(), slidingWindow({left: 2})]);
    const model = await loadGraphModel(handler, {pattern});
    expect(model.report.replaced[0]!.pattern).toBe(String(pattern));
    const inputs = randomInputs({batch: 2, heads: 3, queryLength: 7, keyLength: 7, headDim: 4, valueDim: 4});
    const [q, k, v] = tensorsOf(inputs);
    const [m, n] = [tf.zeros([1]), tf.zeros([1])];
    const output = model.execute({q, k, v, m, n}) as tf.Tensor;
    const attends = (query: number, key: number, _: number, head: number): boolean =>
      pattern.attends(query, key, {...inputs, head});
    await expectAttention(output, inputs, attends, {scale: 1});
    const one = tf.slice(q, [0, 0], [2, 1]);
    expect(refusal(() => model.execute({q: one, k: one, v: one, m, n})).message).toContain('found 3 patterns, expected 1');
  });

  it('graph models whose mask repeats along windows keep heads and windows apart', async () => {
    const artifacts = attentionGraph([
      scores,
      node('sum', 'AddV2', 'scores', 'm'),
      node('probs', 'Softmax', 'sum'),
      product('out', 'probs', 'v'),
    ]);
    const pattern = perHead([causal(), full()]);
    const model = await loadGraphModel({load: () => Promise.resolve(artifacts)}, {pattern});
    // [images, windows, heads, length, dim], and a mask for each window that all images share.
    const inputs = randomInputs({batch: 6, heads: 2, queryLength: 5, keyLength: 5, headDim: 3, valueDim: 3});
    const [q, k, v] = tensorsOf(inputs).map((tensor) => tf.reshape(tensor, [2, 3, 2, 5, 3])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const mask = tf.randomUniform([3, 1, 5, 5], -1, 1, 'float32', 9);
    const output = model.execute({q, k, v, m: mask, n: tf.zeros([1])}) as tf.Tensor;
    const bias = mask.dataSync();
    const attends = (query: number, key: number, _: number, head: number): boolean =>
      pattern.attends(query, key, {...inputs, head});
    await expectAttention(tf.reshape(output, [6, 2, 5, 3]), inputs, attends, {
      scale: 1,
      bias: (b, _, query, key) => bias[((b % 3) * 5 + query) * 5 + key]!,
    });
  });

  it('prepare and planAttention check the lists, also where another call with the pattern was right', async () => {
    const pattern = perHead([causal(), slidingWindow({left: 17})]);
    const sizes = {queryLength: 12, keyLength: 12, headDim: 2};
    await prepare(pattern, {...sizes, heads: 2});
    const x = tf.ones([3, 2, 12, 2]);
    expect(sparseAttention(x, x, x, pattern).shape).toEqual([3, 2, 12, 2]);
    await expectAsync(prepare(pattern, {...sizes, heads: 4})).toBeRejectedWithError(/found 2 patterns, expected 4/);
    expect(() => planAttention(pattern, {...sizes, heads: 3})).toThrowError(/found 2 patterns, expected 3/);
    const same = planAttention(perHead([causal(), causal()]), {...sizes, heads: 2});
    expect(same.toDense()).toEqual(planAttention(causal(), {...sizes, heads: 2}).toDense());
  });

  it('a plan shows the mask of the head that is named, and of no other', () => {
    const plan = planAttention(perHead([causal(), full()]), {queryLength: 2, keyLength: 2, headDim: 2, heads: 2});
    expect([...plan.toDense()]).toEqual([1, 0, 1, 1]);
    expect([...plan.toDense({head: 1, batch: null})]).toEqual([1, 1, 1, 1]);
    expect(() => plan.toDense({head: 2})).toThrowError(/toDense: head.*found 2, expected a whole number from 0 to 1/);
    expect(() => plan.toDense({batch: -1})).toThrowError(/toDense: batch.*found -1, expected a whole number from 0 to 0/);
  });

  it('patternFromMask makes a perHead or a perBatch of the axes that there are', async () => {
    const lines = tf.tensor4d([1, 0, 1, 1, 1, 0, 1, 1], [2, 2, 1, 2], 'bool');
    const text = async (mask: tf.Tensor): Promise<string> => String(await patternFromMask(mask));
    const one = (words: string): string => `mask(queryLength: 1, keyLength: 2, words: ${words})`;
    const both = `perHead(${one('0x1')}, ${one('0x3')})`;
    expect(await text(lines)).toBe(`perBatch(${both}, ${both})`);
    expect(await text(tf.slice(lines, [1], [1]))).toBe(both);
    expect(await text(tf.reshape(tf.slice(lines, [1], [1]), [2, 1, 2]))).toBe(both);
    expect(await text(tf.slice(lines, [0, 1], [2, 1]))).toBe(`perBatch(${one('0x3')}, ${one('0x3')})`);
    expect(await text(tf.reshape(tf.slice(lines, [0, 0], [1, 1]), [1, 1, 2]))).toBe(one('0x1'));
    await expectAsync(patternFromMask(tf.tensor1d([true]))).toBeRejectedWithError(/found shape \[1\], expected \[queryLength/);
    await expectAsync(patternFromMask(tf.zeros([1, 1, 1, 1, 1], 'bool'))).toBeRejectedWithError(/shape \[1, 1, 1, 1, 1\]/);
    await expectAsync(patternFromMask(tf.zeros([0, 2, 2], 'bool'))).toBeRejectedWithError(/a head and a sequence/);
  });
});
