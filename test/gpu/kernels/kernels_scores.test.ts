import * as tf from '@tensorflow/tfjs-core';
import {causal, full, globalTokens, slidingWindow, sparseAttention, strided, type Pattern} from '../../../src/index.js';
import {broadcastBias, expectAttention, expectWithin, mulberry32, randomInputs} from '../../oracle.js';
import {expectRight, tensorsOf} from '../../support/attend.js';
import {problemFor} from '../../support/plans.js';

const [queryLength, keyLength] = [45, 70];
const problem = problemFor({queryLength, keyLength, queryOffset: 25}, {batch: 2, heads: 2});
const IMPLEMENTATIONS = ['fused', 'dense'] as const;
const window = slidingWindow({left: 20, right: 20});

/** Every shape that broadcasts to the scores, as tfjs aligns them. */
const BROADCAST: readonly (readonly number[])[] = [
  ...Array.from({length: 16}, (_, bits) => [2, 2, queryLength, keyLength].map((size, i) => ((bits >> i) & 1 ? 1 : size))),
  [2, queryLength, keyLength],
  [queryLength, keyLength],
  [1, keyLength],
  [keyLength],
  [],
];

const to4 = (shape: readonly number[]): [number, number, number, number] =>
  [...Array<number>(4 - shape.length).fill(1), ...shape] as [number, number, number, number];

describe('the scores on WebGPU', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  async function expectBiased(
    pattern: Pattern,
    shape: readonly number[],
    bias: (random: number) => number,
    what: string,
  ): Promise<void> {
    const random = mulberry32(shape.length + 1);
    const data = Float32Array.from({length: tf.util.sizeFromShape([...shape])}, () => bias(random()));
    for (const implementation of IMPLEMENTATIONS) {
      await expectRight({
        pattern,
        problem,
        options: {bias: tf.tensor(data, [...shape]), implementation},
        says: {bias: broadcastBias(data, to4(shape))},
        what: `${what} [${shape.join()}] ${implementation}`,
      });
    }
  }

  it('take a bias of every shape that broadcasts to them', async () => {
    for (const shape of BROADCAST) await expectBiased(window, shape, (random) => 8 * random - 4, 'bias');
  });

  it('take a bias in every pass of a pattern of several strides', async () => {
    const strides = strided({stride: 8})
      .or(slidingWindow({left: 7}))
      .or(slidingWindow({left: 5, right: 5, dilation: 3}));
    for (const shape of [BROADCAST[0]!, [keyLength]]) {
      await expectBiased(strides, shape, (random) => (random < 0.1 ? -Infinity : 8 * random), 'strides');
    }
  });

  it('take −Infinity as: this key is not attended', async () => {
    for (const shape of [BROADCAST[0]!, [2, 1, 1, keyLength], [keyLength]]) {
      await expectBiased(full(), shape, (random) => (random < 0.4 ? -Infinity : random), 'hidden keys');
      await expectBiased(window, shape, () => -Infinity, 'nothing attended');
    }
  });

  it('of padding that models write as −1e4, −1e9 and −3.4e38 give what softmax gives, uniform rows included', async () => {
    for (const low of [-1e4, -1e9, -3.4028234663852886e38]) {
      await expectBiased(full(), [2, 1, 1, keyLength], (random) => (random < 0.5 ? low : 0), `${low}`);
      await expectBiased(window, [2, 1, 1, keyLength], () => low, `all ${low}`);
      // In two passes: the second weighs its keys against all of the first.
      await expectBiased(strided({stride: 8}).or(slidingWindow({left: 7})), [2, 1, 1, keyLength], () => low, `passes, all ${low}`);
    }
  });

  it('of a key hidden by the pattern stay hidden, whatever the bias', async () => {
    await expectBiased(causal(), [queryLength, keyLength], (random) => (random < 0.5 ? 3e4 : 0), 'large bias');
    const bad = Float32Array.from({length: queryLength * keyLength}, (_, i) =>
      causal().attends(Math.floor(i / keyLength), i % keyLength, problem) ? 0 : NaN,
    );
    for (const implementation of IMPLEMENTATIONS) {
      await expectRight({pattern: causal(), problem, options: {bias: tf.tensor(bad, [queryLength, keyLength]), implementation}});
    }
  });

  it('take a boolean tensor of every shape that broadcasts to them, with and without a bias', async () => {
    const inputs = randomInputs(problem);
    for (const [index, shape] of BROADCAST.entries()) {
      const random = mulberry32(index);
      const mask = Uint8Array.from({length: tf.util.sizeFromShape([...shape])}, () => (random() < 0.6 ? 1 : 0));
      const read = broadcastBias(Float32Array.from(mask), to4(shape));
      const bias = (_b: number, head: number, _q: number, key: number): number => 0.1 * head - 0.01 * key;
      const given = tf.tensor4d(
        Float32Array.from({length: 2 * keyLength}, (_, i) => bias(0, Math.floor(i / keyLength), 0, i % keyLength)),
        [1, 2, 1, keyLength],
      );
      for (const options of index % 4 === 0 ? [{}, {bias: given}] : [{}]) {
        const output = sparseAttention(...tensorsOf(inputs), tf.tensor(mask, [...shape], 'bool'), options);
        await expectAttention(
          output,
          inputs,
          (query, key, batch, head) => read(batch, head, query, key) === 1,
          'bias' in options ? {bias} : {},
          `mask [${shape.join()}] ${Object.keys(options)}`,
        );
      }
    }
  });

  it('are scaled by any finite number', async () => {
    for (const scale of [0, 1e-30, 0.01, -0.7, 30, 1e4, -1e4]) {
      for (const implementation of IMPLEMENTATIONS) {
        await expectRight({
          pattern: window,
          problem,
          options: {scale, implementation},
          says: {scale},
          what: `scale ${scale} ${implementation}`,
        });
      }
    }
  });

  it('far from 0 neither overflow nor vanish', async () => {
    const inputs = randomInputs(problem);
    const far = {...inputs, query: inputs.query.map((x) => 1e3 * x), key: inputs.key.map((x) => 1e3 * x)};
    for (const implementation of IMPLEMENTATIONS) {
      await expectRight({pattern: window.or(globalTokens(3)), problem, inputs: far, options: {implementation}});
    }
  });

  it('of equal keys are equal: the output is the mean of the values', async () => {
    const inputs = {...randomInputs(problem), key: new Float32Array(2 * 2 * keyLength * 16).fill(0.5)};
    const output = await sparseAttention(...tensorsOf(inputs), full(), {implementation: 'fused'}).data();
    const mean = await tf.mean(tensorsOf(inputs)[2], 2).data();
    expectWithin(
      output,
      Array.from(output, (_, i) => mean[Math.floor(i / (queryLength * 16)) * 16 + (i % 16)]!),
      2 ** -18,
    );
  });
});
