import '@tensorflow/tfjs'; // With the gradients of all ops.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {byteModelConfig, CONTEXT, patternsOf, type ModelConfig, type Variant} from '../../../demo/language_model/config.js';
import {fromArtifacts, type ByteModel} from '../../../demo/language_model/load.js';
import {weightsOf} from '../../../demo/language_model/look.js';
import {dense, squaredRelu, weightShapes} from '../../../demo/language_model/network.js';
import {sample} from '../../../demo/language_model/sample.js';
import {startSession} from '../../../demo/language_model/session.js';
import {heldOutBatch, heldOutCount, trainingBatch} from '../../../demo/language_model/train/batches.js';
import {toHalfBits} from '../../../demo/language_model/train/half_bits.js';
import {untrainedModel} from '../../../demo/language_model/untrained.js';
import {wholeText} from '../../support/byte_model_by_parts.js';
import {toHalf} from '../../support/halves.js';

const TEXT = new TextEncoder().encode('export function sparse(attention: Pattern): Tensor {');

/** The shape of the trained model, small enough for the cpu backend. */
function smallConfig(variant: Variant): ModelConfig {
  const {layers} = byteModelConfig(variant);
  const slopes = [0.25, 0];
  return {
    width: 8,
    heads: 2,
    hidden: 16,
    layers: [0, 3].map((layer) => ({
      pattern: layers[layer]!.pattern.replace('255', '5').replace('32', '3'),
      alibiSlopes: slopes,
    })),
  };
}

const smallModel = (variant: Variant): ByteModel => untrainedModel(smallConfig(variant), variant);

describe('the byte model', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('has 3 to 4 million parameters, windows, dilated windows and sinks, and reaches back as far as its context', () => {
    const config = byteModelConfig('sparse');
    const parameters = Object.values(weightShapes(config)).reduce((sum, [rows, columns]) => sum + rows * columns, 0);
    expect(parameters).toBeGreaterThan(3e6);
    expect(parameters).toBeLessThan(4e6);
    expect(config.layers.length).toBeGreaterThanOrEqual(6);
    const texts = patternsOf(config).map(String).join('\n');
    for (const word of ['slidingWindow', 'dilation', 'prefix', 'causal']) expect(texts).toContain(word);
    const reach = config.layers.map(({pattern}) => 255 * Number(/dilation: (\d+)/.exec(pattern)?.[1] ?? 1));
    expect(Math.max(...reach)).toBeGreaterThan(CONTEXT * 0.9);
    expect(CONTEXT).toBeGreaterThanOrEqual(8192);
  });

  for (const [variant, mode] of [
    ['sparse', 'sparse'],
    ['causal', 'sparse'],
    ['causal', 'dense'],
  ] as const) {
    it(`writes byte by byte what the whole text at once would say (${variant} model, ${mode} session)`, async () => {
      const model = smallModel(variant);
      const tensors = tf.memory().numTensors;
      const expected = tf.tidy(() => Array.from(tf.argMax(wholeText(model, TEXT), 1).dataSync()));
      const written: number[] = [];
      for (let prompt = 1; prompt < TEXT.length; prompt += 17) {
        const session = startSession(model, mode, 200);
        await session.prefill(TEXT.subarray(0, prompt));
        written.push(await session.next({temperature: 0, seed: 1}));
        expect(session.length).toBe(prompt + 1);
        expect(session.cacheBytes).toBeGreaterThan(0);
        session.dispose();
        expect(written.at(-1)).toBe(expected[prompt - 1]!);
      }
      expect(tf.memory().numTensors).toBe(tensors);
      model.dispose();
    });
  }

  it('says the same after each byte it wrote as after reading all of them', async () => {
    const model = smallModel('sparse');
    const session = startSession(model, 'sparse', 100);
    await session.prefill(TEXT.subarray(0, 9));
    const written = [];
    for (let i = 0; i < 30; i++) written.push(await session.next({temperature: 0, seed: 1}));
    const all = Uint8Array.of(...TEXT.subarray(0, 9), ...written);
    const expected = tf.tidy(() => Array.from(tf.argMax(wholeText(model, all), 1).dataSync()).slice(8, -1));
    expect(written).toEqual(expected);
    session.dispose();
    model.dispose();
  });

  it('takes no dense session with sparse patterns, no empty text, and no byte before a text', async () => {
    const model = smallModel('sparse');
    expect(() => startSession(model, 'dense', 10)).toThrowError(/trained with 'causal'/);
    const session = startSession(model, 'sparse', 10);
    await expectAsync(session.next({temperature: 0, seed: 1})).toBeRejectedWithError(/prefill/);
    await expectAsync(session.prefill(new Uint8Array(0))).toBeRejectedWithError(/at least one byte/);
    session.dispose();
    model.dispose();
  });

  it('says again why a text cannot grow, and stays as it was', async () => {
    const model = smallModel('sparse');
    const session = startSession(model, 'sparse', 5);
    await session.prefill(TEXT.subarray(0, 5));
    for (let i = 0; i < 2; i++) await expectAsync(session.next({temperature: 0, seed: 1})).toBeRejectedWithError(/maxLength/);
    expect(session.length).toBe(5);
    session.dispose();
    model.dispose();
  });

  it('shows the weights that attention over the whole text has, pair by pair', async () => {
    const model = smallModel('sparse');
    const {config, weights} = model;
    const tensors = tf.memory().numTensors;
    const layers = await weightsOf(model, TEXT);
    expect(tf.memory().numTensors).toBe(tensors);
    expect(layers.map(({pattern}) => String(pattern))).toEqual(patternsOf(config).map(String));
    // Those of the first layer, whose input is the text alone.
    const {width, heads} = config;
    const scores = tf.tidy(() => {
      const x = tf.gather(weights['embedding']!, tf.tensor1d([...TEXT], 'int32'));
      const normed = tf.div(x, tf.sqrt(tf.mean(tf.square(x), 1, true)));
      const [query, key] = tf.split(tf.matMul(normed as tf.Tensor2D, weights['0/queryKeyValue']!), 3, 1);
      const split = (each: tf.Tensor): tf.Tensor => tf.transpose(tf.reshape(each, [TEXT.length, heads, width / heads]), [1, 0, 2]);
      return tf.div(tf.matMul(split(query!), split(key!), false, true), Math.sqrt(width / heads)).arraySync() as number[][][];
    });
    const {values, nnz, rowOffsets, columns} = layers[0]!;
    for (let head = 0; head < heads; head++)
      for (let q = 0; q < TEXT.length; q++) {
        const keys = [...columns.subarray(rowOffsets[q], rowOffsets[q + 1])];
        expect(keys).toEqual(keys.filter((k) => k <= q && (k < 4 || q - k <= 5)).sort((a, b) => a - b));
        const logits = keys.map((k) => scores[head]![q]![k]! - config.layers[0]!.alibiSlopes[head]! * (q - k));
        const most = Math.max(...logits);
        const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
        keys.forEach((_, i) => expect(values[head * nnz + rowOffsets[q]! + i]).toBeCloseTo(Math.exp(logits[i]! - most) / sum, 5));
      }
    model.dispose();
  });

  it('has the gradients of its parts', () => {
    const numeric = (f: (x: tf.Tensor2D) => tf.Tensor, x: tf.Tensor2D, i: number): number => {
      const moved = (by: number): tf.Tensor2D =>
        tf.tensor2d(x.dataSync().map((v, j) => (i === j ? v + by : v)) as Float32Array, x.shape);
      return (tf.sum(f(moved(1e-2))).dataSync()[0]! - tf.sum(f(moved(-1e-2))).dataSync()[0]!) / 2e-2;
    };
    tf.tidy(() => {
      const x = tf.tensor2d([0.3, -0.6, 0.9, 1.2, 0.1, -0.7], [2, 3]);
      const w = tf.tensor2d([0.5, -0.2, 0.7, 0.3, -0.9, 0.4], [3, 2]);
      const mixed = (y: tf.Tensor): tf.Tensor => tf.mul(y, tf.reshape(tf.range(1, y.size + 1), y.shape));
      for (const f of [(y: tf.Tensor2D) => mixed(squaredRelu(y, w)), (y: tf.Tensor2D) => mixed(dense(y, w))]) {
        const found = tf
          .grad((y) => f(y as tf.Tensor2D))(x)
          .dataSync();
        found.forEach((value, i) => expect(value).toBeCloseTo(numeric(f, x, i), 2));
      }
      const rows = tf.ones([4096, 3]) as tf.Tensor2D; // Two shares.
      const [dw] = tf.grads((y) => tf.sum(dense(rows, y as tf.Tensor2D)))([w]);
      expect(Array.from(dw!.dataSync())).toEqual(new Array(6).fill(4096));
    });
  });

  it('draws bytes as often as their probabilities say, and the same ones for the same seed', () => {
    const three = Float32Array.from({length: 256}, (_, byte) => [2, 1, 0][byte] ?? -50);
    const counts = [0, 0, 0];
    for (let position = 0; position < 3000; position++) counts[sample(three, {temperature: 1, seed: 5}, position)]!++;
    const total = Math.exp(2) + Math.exp(1) + 1;
    [2, 1, 0].forEach((logit, byte) => expect(Math.abs(counts[byte]! / 3000 - Math.exp(logit) / total)).toBeLessThan(0.03));
    expect(sample(three, {temperature: 0, seed: 5}, 1)).toBe(0);
    for (let position = 0; position < 50; position++)
      expect(sample(three, {temperature: 9, topK: 2, seed: 1}, position)).toBeLessThan(2);
    expect(() => sample(Float32Array.of(NaN, 1), {temperature: 1, seed: 1}, 0)).toThrowError(/none/);
  });

  it('takes the same examples in a run that goes on, and each held-out byte once', () => {
    const text = Uint8Array.from({length: 3 * CONTEXT + 5}, (_, i) => (i * i) % 251);
    const batch = trainingBatch(text, 7, 2);
    expect(trainingBatch(text, 7, 2)).toEqual(batch);
    expect(trainingBatch(text, 8, 2)).not.toEqual(batch);
    expect(batch.inputs.subarray(1, CONTEXT)).toEqual(batch.targets.subarray(0, CONTEXT - 1));
    expect(heldOutCount(text)).toBe(3);
    expect(Array.from(heldOutBatch(text, 2).targets.slice(-3))).toEqual(
      Array.from(text.subarray(3 * CONTEXT - 2, 3 * CONTEXT + 1)),
    );
  });

  it('rounds weights to the nearest float16', () => {
    const decode = (bits: number): number => {
      const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
      if (exponent === 31) return fraction ? NaN : sign * Infinity;
      return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
    };
    fc.assert(
      fc.property(fc.float(), (value) => {
        expect(decode(toHalfBits(value))).toEqual(toHalf(value));
      }),
    );
    for (const value of [65504, 65519, 65520, 2 ** -24, 2 ** -25, 1.5 * 2 ** -25, 2 ** -14, 6.1e-5, 0.1]) {
      expect(decode(toHalfBits(value)))
        .withContext(String(value))
        .toBe(toHalf(value));
    }
  });

  it('refuses what is no byte model, and weights of another shape', () => {
    expect(() => fromArtifacts({}, 'x.json')).toThrowError(/x.json is no byte model/);
    const config = smallConfig('sparse');
    const [name] = Object.keys(weightShapes(config));
    const artifacts = {
      userDefinedMetadata: {config, training: {variant: 'sparse'}},
      weightSpecs: [{name: name!, shape: [2, 2], dtype: 'float32' as const}],
      weightData: new ArrayBuffer(16),
    };
    expect(() => fromArtifacts(artifacts as unknown as tf.io.ModelArtifacts, 'x.json')).toThrowError(
      /'embedding' is 2 × 2, and must be 256 × 8/,
    );
  });
});
