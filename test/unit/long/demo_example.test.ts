import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModel} from '@tensorflow/tfjs-converter';
import {makeEncoder, type EncoderSize} from '../../../demo/swap/example_model.js';
import {full, sparseIOHandler} from '../../../src/index.js';

const TINY: EncoderSize = {layers: 2, heads: 2, headDim: 4, mlp: 16, positions: 32};

/** Logits [24 · 256] of 24 tokens, the last `padding` of them masked. */
async function run(handler: tf.io.IOHandler, tokens: number[], padding = 0): Promise<Float32Array> {
  const model = await loadGraphModel(handler);
  const ids = tf.tensor2d(tokens, [1, tokens.length], 'int32');
  const real = tokens.map((_, i) => Number(i < tokens.length - padding));
  const logits = model.predict({'input_ids:0': ids, 'attention_mask:0': tf.tensor2d(real, [1, real.length], 'int32')}) as tf.Tensor;
  const values = (await logits.data()) as Float32Array;
  model.dispose();
  tf.dispose([ids, logits]);
  return values;
}

const stored = () => tf.io.fromMemory(makeEncoder(TINY) as tf.io.ModelArtifacts);
const TOKENS = Array.from({length: 24}, (_, i) => (37 * i) % 256);

describe('the example of the swap page', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('is the same model every time it is made', () => {
    expect(new Uint8Array(makeEncoder(TINY).weightData)).toEqual(new Uint8Array(makeEncoder(TINY).weightData));
  });

  it('gives finite logits for every byte after every token', async () => {
    const logits = await run(stored(), TOKENS);
    expect(logits.length).toBe(24 * 256);
    expect(logits.every(Number.isFinite)).toBeTrue();
  });

  it('does not look at padding', async () => {
    const other = [...TOKENS.slice(0, 20), 1, 2, 3, 4];
    const seen = 20 * 256;
    const before = await run(stored(), TOKENS, 4);
    const after = await run(stored(), other, 4);
    expect(after.subarray(0, seen)).toEqual(before.subarray(0, seen));
    expect(after.subarray(seen)).not.toEqual(before.subarray(seen));
  });

  it('has an attention in every layer that is swapped, and full() changes nothing', async () => {
    const handler = sparseIOHandler(stored(), {pattern: full()});
    const swapped = await run(handler, TOKENS, 4);
    const asIs = await run(stored(), TOKENS, 4);
    expect(handler.report?.replaced.length).toBe(TINY.layers);
    expect(handler.report?.left).toEqual([]);
    const difference = Math.max(...asIs.map((value, i) => Math.abs(value - swapped[i]!)));
    expect(difference).toBeLessThan(1e-5);
  });
});
