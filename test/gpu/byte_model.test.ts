import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {startSession} from '../../demo/language_model/session.js';
import {untrainedModel} from '../../demo/language_model/untrained.js';
import {logitsByParts, partedWeights, wholeText} from '../support/byte_model_by_parts.js';

const TEXT = new TextEncoder().encode('export const rows = 1;');
const CONFIG = {
  width: 32,
  heads: 2,
  hidden: 48,
  layers: ['(slidingWindow(left: 5) or prefix(2)) and causal()', 'causal()'].map((pattern) => ({pattern, alibiSlopes: [0.25, 0]})),
};

describe('the byte model on webgpu', () => {
  it('says of a whole text, and byte by byte, what its parts in TensorFlow.js ops say', async () => {
    const model = untrainedModel(CONFIG, 'sparse');
    const [found, expected] = tf.tidy(() => [wholeText(model, TEXT), logitsByParts(model, partedWeights(model.weights), TEXT)]);
    const [values, right] = [await found!.data<'float32'>(), await expected!.data<'float32'>()];
    const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(values.every((value, i) => Math.abs(value - right[i]!) <= 2e-6 * largest)).toBeTrue();
    const likeliest = await tf.argMax(expected!, 1).data();
    const start = tf.memory().numTensors;
    for (const prompt of [1, 2, TEXT.length]) {
      const session = startSession(model, 'sparse', 64);
      await session.prefill(TEXT.subarray(0, prompt));
      expect(await session.next({temperature: 0, seed: 1}))
        .withContext(`after ${prompt} bytes`)
        .toBe(likeliest[prompt - 1]!);
      session.dispose();
    }
    expect(tf.memory().numTensors).toBe(start);
    tf.dispose([found!, expected!]);
    model.dispose();
  });
});
