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

  it('writes with captured steps what it writes with plain ones, from the same logits', async () => {
    const model = untrainedModel(CONFIG, 'sparse');
    const start = tf.memory().numTensors;
    const sessions = (['captured', 'plain'] as const).map((steps) => startSession(model, 'sparse', 40, steps));
    const [captured, plain] = sessions;
    await Promise.all(sessions.map((session) => session.prefill(TEXT)));
    const ran = spyOn(tf.engine(), 'runKernel').and.callThrough();
    for (let i = 0; i < 18; i++) {
      const sampling = {temperature: 0.7, seed: 3};
      const byte = await plain!.next(sampling);
      ran.calls.reset();
      expect(await captured!.next(sampling)).toBe(byte);
      // Nothing but the replay, once it is there.
      if (i > 0) expect(ran).not.toHaveBeenCalled();
      expect(Array.from(await captured!.logits())).toEqual(Array.from(await plain!.logits()));
    }
    expect(captured!.length).toBe(40);
    for (const session of sessions)
      for (let i = 0; i < 2; i++) await expectAsync(session.next({temperature: 0, seed: 1})).toBeRejectedWithError(/maxLength/);
    expect(sessions.map(({length}) => length)).toEqual([40, 40]);
    expect(Array.from(await captured!.logits())).toEqual(Array.from(await plain!.logits()));
    for (const session of sessions) session.dispose();
    expect(tf.memory().numTensors).toBe(start);
    model.dispose();
  });
});
