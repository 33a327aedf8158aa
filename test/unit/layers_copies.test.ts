import {createRequire} from 'node:module';
import {fileURLToPath} from 'node:url';
import * as tf from '@tensorflow/tfjs';
import {build} from 'esbuild';
import {DotAttention} from '../../src/layers/dot_attention.js';
import * as layersOfOne from '../../src/layers/index.js';
import {causal, full, slidingWindow} from '../../src/pattern/index.js';
import {tensorOf, tokens} from '../support/keras_attention.js';

type Layers = typeof layersOfOne;

/** The layers as a program has them that requires the package while another part imports it: the same sources once more. */
async function anotherCopy(): Promise<Layers> {
  const entry = fileURLToPath(new URL('../../src/layers/index.ts', import.meta.url));
  const {outputFiles} = await build({
    entryPoints: [entry],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'cjs',
    write: false,
  });
  const module = {exports: {} as Layers};
  const run = new Function('require', 'module', 'exports', outputFiles[0]!.text) as (...args: unknown[]) => void;
  run(createRequire(import.meta.url), module, module.exports);
  return module.exports;
}

describe('two copies of the package', () => {
  let other: Layers;
  beforeAll(async () => {
    await tf.setBackend('cpu');
    other = await anotherCopy();
  });

  // The second copy registered its classes over ours, which other specs load models with.
  afterAll(() => {
    tf.serialization.registerClass(layersOfOne.MultiHeadAttention);
    tf.serialization.registerClass(layersOfOne.GroupedQueryAttention);
    tf.serialization.registerClass(layersOfOne.BlockSparseDense);
    tf.serialization.registerClass(DotAttention);
  });

  it('know each other’s layers', () => {
    expect(other.MultiHeadAttention).not.toBe(layersOfOne.MultiHeadAttention);
    const copies = [layersOfOne, other];
    for (const [i, make] of copies.entries()) {
      const swap = copies[1 - i]!;
      const input = tf.input({shape: [6, 4]});
      const layers = [
        new make.MultiHeadAttention({numHeads: 1, keyDim: 2, name: 'multi'}),
        new make.GroupedQueryAttention({headDim: 2, numQueryHeads: 2, numKeyValueHeads: 1, name: 'grouped', pattern: 'causal()'}),
      ];
      const attended = layers.reduce((x, layer) => layer.apply(x) as tf.SymbolicTensor, input);
      const query = tf.layers.dense({units: 4}).apply(attended) as tf.SymbolicTensor;
      const scores = tf.layers.dot({axes: 2} as never).apply([query, attended]) as tf.SymbolicTensor;
      const probabilities = tf.layers.activation({activation: 'softmax'}).apply(scores) as tf.SymbolicTensor;
      const outputs = tf.layers.dot({axes: [2, 1], name: 'dots'} as never).apply([probabilities, attended]) as tf.SymbolicTensor;
      const model = tf.model({inputs: input, outputs});
      const x = tensorOf(tokens([2, 6, 4], 1));
      const before = (model.predict(x) as tf.Tensor).dataSync();
      const named = ({replaced}: layersOfOne.AttentionReport): string[][] =>
        replaced.map(({name, from, to}) => [name, String(from), String(to)]);
      const window = slidingWindow({left: 1});
      expect(named(swap.replaceAttention(model, window))).toEqual([
        ['multi', 'full()', String(window)],
        ['grouped', 'causal()', String(window)],
        ['dots', 'full()', String(window)],
      ]);
      const sparse = (model.predict(x) as tf.Tensor).dataSync();
      expect(Array.from(sparse)).not.toEqual(Array.from(before));
      // The layer that one copy put in, the other one finds.
      const report = make.replaceAttention(model, [full(), causal(), full()]);
      expect(report.left).toEqual([]);
      expect(report.replaced.map(({name}) => name)).toEqual(['multi', 'grouped', 'dots']);
      const after = (model.predict(x) as tf.Tensor).dataSync();
      after.forEach((value, j) => expect(value).toBeCloseTo(before[j]!, 5));
    }
  });
});
