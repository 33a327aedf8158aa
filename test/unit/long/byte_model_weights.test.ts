import '@tensorflow/tfjs'; // With the gradients of all ops.
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {VOCABULARY, type Variant} from '../../../demo/language_model/config.js';
import {fromArtifacts, type ByteModel} from '../../../demo/language_model/load.js';
import {weightShapes, type Weights} from '../../../demo/language_model/network.js';
import {exportModel} from '../../../demo/language_model/train/export.js';
import {untrainedModel} from '../../../demo/language_model/untrained.js';
import {logitsByParts, partedWeights, wholeText} from '../../support/byte_model_by_parts.js';

const TEXT = new TextEncoder().encode('/** The bytes of a file that ships: */ export const x = 1;');
/** Of the largest logit: what another order of the same float32 sums may change. */
const TOLERANCE = 2e-6;

const SMALL = {
  width: 8,
  heads: 2,
  hidden: 12,
  layers: ['(slidingWindow(left: 5) or prefix(2)) and causal()', 'causal()'].map((pattern) => ({pattern, alibiSlopes: [0.25, 0]})),
};

/** What a folder of weights holds. */
function artifactsIn(folder: string): tf.io.ModelArtifacts {
  const {weightsManifest, ...json} = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as tf.io.ModelJSON;
  const bytes = readFileSync(join(folder, 'weights.bin'));
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  return {...json, weightSpecs: weightsManifest.flatMap(({weights}) => weights), weightData};
}

const shipped = (variant: Variant): tf.io.ModelArtifacts => artifactsIn(`demo/language_model/weights/${variant}`);

/** The largest difference as a share of the largest number. */
function apart(found: tf.Tensor, expected: tf.Tensor): number {
  expect(found.shape).toEqual(expected.shape);
  return tf.tidy(() => tf.div(tf.max(tf.abs(tf.sub(found, expected))), tf.max(tf.abs(expected))).dataSync()[0]!);
}

describe('the weights of the byte model', () => {
  beforeAll(() => tf.setBackend('cpu'));

  for (const variant of ['sparse', 'causal'] as const) {
    it(`that ship (${variant}) say what they said when they were trained, with query, key and value in one product`, () => {
      const artifacts = shipped(variant);
      const before = tf.io.decodeWeights(artifacts.weightData as ArrayBuffer, artifacts.weightSpecs!);
      const model = fromArtifacts(artifacts, variant);
      tf.tidy(() => {
        const expected = logitsByParts(model, before as Weights, TEXT);
        expect(apart(wholeText(model, TEXT), expected)).toBeLessThanOrEqual(TOLERANCE);
      });
      model.dispose();
      tf.dispose(before);
    });
  }

  it('take no more memory than the three matrices of a file', () => {
    const artifacts = shipped('sparse');
    const start = tf.memory();
    const model = fromArtifacts(artifacts, 'sparse');
    const floats = artifacts.weightSpecs!.reduce((sum, {shape}) => sum + tf.util.sizeFromShape(shape), 0);
    expect(tf.memory().numBytes - start.numBytes).toBe(4 * floats);
    expect(tf.memory().numTensors - start.numTensors).toBe(Object.keys(weightShapes(model.config)).length);
    model.dispose();
    expect(tf.memory().numTensors).toBe(start.numTensors);
  });

  it('are read as they were written, with three matrices or with one', async () => {
    const model = untrainedModel(SMALL, 'sparse');
    const folder = mkdtempSync(join(tmpdir(), 'weights-'));
    const read = async (weights: Weights): Promise<ByteModel> => {
      await exportModel(folder, SMALL, weights, {variant: 'sparse'});
      return fromArtifacts(artifactsIn(folder), folder);
    };
    const three = await read(partedWeights(model.weights));
    const one = await read(model.weights);
    rmSync(folder, {recursive: true});
    for (const [name, tensor] of Object.entries(model.weights)) {
      expect(Array.from(three.weights[name]!.dataSync())).withContext(name).toEqual(Array.from(one.weights[name]!.dataSync()));
      // Halves.
      expect(apart(one.weights[name]!, tensor)).withContext(name).toBeLessThan(1e-3);
    }
  });

  it('are refused where one of the three is missing, with nothing left behind', () => {
    const artifacts = shipped('sparse');
    const start = tf.memory().numTensors;
    const weightSpecs = artifacts.weightSpecs!.map((spec) => (spec.name === '3/key' ? {...spec, name: '3/keys'} : spec));
    expect(() => fromArtifacts({...artifacts, weightSpecs}, 'x.json')).toThrowError(
      "x.json: the weight '3/queryKeyValue' is missing, and must be 192 × 576.",
    );
    expect(tf.memory().numTensors).toBe(start);
  });

  it('have the gradients that TensorFlow.js finds for the network in parts', () => {
    const {weights} = untrainedModel(SMALL, 'sparse');
    const targets = tf.oneHot(tf.tensor1d(Int32Array.from(TEXT).reverse(), 'int32'), VOCABULARY, 1, 0, 'float32');
    const gradients = (of: Weights, said: (weights: Weights) => tf.Tensor2D): Map<string, tf.Tensor> => {
      const names = Object.keys(of);
      const loss = (...tensors: tf.Tensor[]): tf.Scalar =>
        tf.losses.softmaxCrossEntropy(targets, said(Object.fromEntries(names.map((name, i) => [name, tensors[i] as tf.Tensor2D]))));
      const found = tf.grads(loss)(Object.values(of));
      return new Map(names.map((name, i) => [name, found[i]!]));
    };
    tf.tidy(() => {
      const parts = partedWeights(weights);
      const expected = gradients(parts, (each) => logitsByParts({config: SMALL}, each, TEXT));
      const found = gradients(weights, (each) => wholeText({config: SMALL, weights: each}, TEXT));
      for (const [name, gradient] of Object.entries(partedWeights(Object.fromEntries(found) as Record<string, tf.Tensor2D>))) {
        expect(apart(gradient, expected.get(name)!))
          .withContext(name)
          .toBeLessThanOrEqual(1e-5);
      }
      expect(found.size).toBe(Object.keys(weightShapes(SMALL)).length);
    });
    tf.dispose(weights);
  });
});
