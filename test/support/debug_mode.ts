// Specs under tf.enableDebugMode() that every backend has to pass. Importers need the gradients of tf ops: '@tensorflow/tfjs'.
import * as tf from '@tensorflow/tfjs-core';
import {
  causal,
  full,
  KvCache,
  mergeAttention,
  relativePositionBias,
  slidingWindow,
  sparseAttention,
  sparseAttentionWithAux,
} from '../../src/index.js';
import {GroupedQueryAttention, MultiHeadAttention} from '../../src/layers/index.js';
import {spell} from './dense_cases.js';
import {drawGiven, gradientsOf} from './gradient_cases.js';
import {BASE, callCase, type OptionCase} from './option_cases.js';

const SMALL: OptionCase = {
  ...BASE,
  queryLength: 7,
  keyLength: 9,
  queryOffset: 2,
  headDim: 4,
  valueDim: 3,
  implementation: 'auto',
  aux: true,
};
const CASES: readonly (readonly [string, Partial<OptionCase>])[] = [
  ['a pattern', {}],
  ['rows without keys', {queryOffset: -3, pattern: 'slidingWindow(left: 1)'}],
  ['rows with nothing but a sink', {queryOffset: -3, sinks: true}],
  ['a bias that excludes keys, and a mask', {pattern: null, bias: [true, false, true, true], mask: [false, false, true, true]}],
  ['lengths, segments and a softcap', {pattern: null, lengths: true, segments: true, softcap: 1.5}],
  ['slopes, a relative bias and dropout', {alibi: true, relative: 'heads', dropout: 0.3, seed: 5, layout: 'blhd'}],
];

/** What `compute` gives in debug mode; nothing of what the mode prints is shown. */
async function debugged(compute: () => tf.Tensor[]): Promise<Float32Array[]> {
  tf.enableDebugMode();
  try {
    return await read(compute());
  } finally {
    tf.env().set('DEBUG', false);
  }
}

const read = (tensors: tf.Tensor[]): Promise<Float32Array[]> =>
  Promise.all(tensors.map(async (tensor) => (await tensor.data()) as Float32Array));

/** Inside `describe`, with the backend to test active in each spec. */
export function specifyDebugMode(): void {
  beforeEach(() => {
    for (const name of ['log', 'warn'] as const) spyOn(console, name);
    // The mode reads every output, also of tensors that are gone when WebGPU has read them: those reads fail unheard.
    const read: (this: tf.Tensor) => Promise<unknown> = tf.Tensor.prototype.data;
    (spyOn(tf.Tensor.prototype, 'data') as jasmine.Spy).and.callFake(function (this: tf.Tensor) {
      return read.call(this).catch((error: unknown) => {
        if (!this.isDisposed) throw error;
        return new Float32Array();
      });
    });
    tf.engine().startScope();
  });
  afterEach(() => tf.engine().endScope());

  const same = async (compute: () => tf.Tensor[], what: string): Promise<void> => {
    const expected = await read(compute());
    expect(await debugged(compute))
      .withContext(what)
      .toEqual(expected);
  };

  for (const [name, changes] of CASES)
    it(`gives the same outputs and gradients with ${name}`, async () => {
      const given: OptionCase = {...SMALL, ...changes};
      // TensorFlow.js itself uploads no −∞ in this mode.
      const spelled = spell(given);
      const back = drawGiven(given, spelled);
      await same(() => {
        const {output, logSumExp} = callCase(given, spelled);
        return [output, logSumExp!];
      }, 'outputs');
      await same(() => Object.values(gradientsOf(given, spelled, back)), 'gradients');
    });

  it('takes −∞ in arrays, and merges parts without keys', async () => {
    const [q, k, v] = [1, 2, 3].map((seed) => tf.randomUniform([1, 2, 5, 4], -1, 1, 'float32', seed)) as [
      tf.Tensor4D,
      tf.Tensor4D,
      tf.Tensor4D,
    ];
    const options = {bias: [0, -Infinity, 0, 1, -Infinity], sinks: [-Infinity, 0.5]};
    await same(() => [sparseAttention(q, k, v, causal(), options)], 'arrays');
    const merged = (query: tf.Tensor4D): tf.Tensor[] => {
      const parts = [slidingWindow({left: 1}).and(causal()), full().not()].map((pattern) =>
        sparseAttentionWithAux(query, k, v, pattern),
      );
      const {output, logSumExp} = mergeAttention(
        parts.map((part) => part.output),
        parts.map((part) => part.logSumExp),
      );
      return [output, logSumExp];
    };
    await same(() => merged(q), 'merged');
    await same(() => [tf.grad((x: tf.Tensor) => tf.sum(merged(x as tf.Tensor4D)[0]!))(q)], 'gradients of merged parts');
    const table = tf.randomUniform([8, 2], -1, 1, 'float32', 4);
    await same(
      () => [sparseAttention(q, k, v, full(), {relativeBias: relativePositionBias(table, {queryLength: 5, keyLength: 5})})],
      'a relative position bias',
    );
  });

  it('runs layers with masks, and trains them', async () => {
    const x = tf.randomUniform([2, 4, 6], -1, 1, 'float32', 1);
    const mask = tf.tensor3d(
      [...Array<number>(16).fill(1), ...Array<number>(16).keys()].map((i) => i % 3 && 1),
      [2, 4, 4],
    );
    for (const layer of [
      new MultiHeadAttention({numHeads: 2, keyDim: 3}),
      new GroupedQueryAttention({headDim: 3, numQueryHeads: 2, numKeyValueHeads: 1}),
    ]) {
      layer.apply(x);
      await same(() => [layer.call(x, {attentionMask: mask, useCausalMask: true}) as tf.Tensor], layer.name);
    }
  });

  it('runs a cache, past its ring', async () => {
    const tokens = (count: number, seed: number): tf.Tensor4D => tf.randomUniform([1, 2, count, 4], -1, 1, 'float32', seed);
    await same(() => {
      const cache = new KvCache(slidingWindow({left: 3}).and(causal()), {keyHeads: 2, headDim: 4, maxStep: 4});
      const outputs = [4, 3, 1, 1, 4].map((count, i) =>
        cache.attend(tokens(count, 3 * i), tokens(count, 3 * i + 1), tokens(count, 3 * i + 2)),
      );
      cache.dispose();
      return outputs;
    }, 'a cache');
  });

  it('says nothing new about calls of nothing', async () => {
    const [q, k] = [tf.zeros([2, 1, 3, 4]), tf.zeros([2, 1, 0, 4])];
    await same(() => {
      const {output, logSumExp} = sparseAttentionWithAux(q, k, k, full(), {queryOffset: 0});
      return [output, logSumExp];
    }, 'no keys');
  });
}
