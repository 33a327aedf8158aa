import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import {full, prefix, slidingWindow, sparseIOHandler, type SwapOptions} from '../../src/index.js';
import {zoo} from '../support/models/zoo.js';

// One of each way to write attention; test/unit/long/model_zoo.test.ts runs all models on the CPU. The original runs on the same backend,
// whose tanh and pow differ from another's by more than two ways of attention do; but tf.tile of rank 5 is read back synchronously on
// WebGPU, which Node cannot, so that grouped queries run on the CPU until they are swapped.
const MODELS = [
  {title: 'BERT (C′)', original: 'webgpu'},
  {title: 'GPT-2 (G)', original: 'webgpu'},
  {title: 'Keras 2, keys masked', original: 'webgpu'},
  {title: 'Keras 3, grouped queries', original: 'cpu'},
  {title: 'YOLO11 (E)', original: 'webgpu'},
];

const SPARSE = slidingWindow({left: 5, right: 3}).or(prefix(2));

describe('a model of the zoo on WebGPU', () => {
  for (const {title, original} of MODELS) {
    it(`${title}: computes what it computed, and the same fused as by tf ops with a pattern`, async () => {
      const zooModel = zoo.find((each) => each.title === title)!;
      const [batch, length] = zooModel.runs[0]!;
      const {artifacts, inputs} = zooModel.make(batch, length);
      const run = async (backend: string, options?: SwapOptions): Promise<number[][]> => {
        await tf.setBackend(backend);
        const start = tf.memory().numTensors;
        const handler = options && sparseIOHandler(artifacts, options);
        const model = loadGraphModelSync(handler ?? {load: () => artifacts});
        if (handler) expect(handler.report!.replaced.length).toBe(zooModel.attentions);
        const given = inputs();
        const outputs = [model.execute(given)].flat();
        const values = await Promise.all(outputs.map(async (output) => Array.from(await output.data())));
        tf.dispose([given, outputs]);
        model.dispose();
        expect(tf.memory().numTensors).toBe(start);
        return values;
      };
      const unchanged = await run(original);
      expectSame(await run('webgpu', {pattern: full(), implementation: 'fused'}), unchanged, batch);
      const sparse = await run('webgpu', {pattern: SPARSE, implementation: 'fused'});
      expectSame(sparse, await run('webgpu', {pattern: SPARSE, implementation: 'dense'}), batch);
      expect(farthest(sparse, unchanged)).toBeGreaterThan(1e-3);
    });
  }
});

/**
 * A key too many or too few shows above 1e-3. The last sequence of a batch of three is all padding: where a model adds −10000, scores
 * keep three decimals there, and each way to add rounds them differently.
 */
function expectSame(found: readonly number[][], expected: readonly number[][], batch: number): void {
  expect(found.map(({length}) => length)).toEqual(expected.map(({length}) => length));
  const tokens = (all: readonly number[][]): number[][] =>
    all.map((values) => values.slice(0, batch === 3 ? (2 * values.length) / 3 : undefined));
  expect(farthest(tokens(found), tokens(expected))).toBeLessThan(2e-5);
  expect(farthest(found, expected)).toBeLessThan(1e-3);
}

/** Largest difference as a share of the largest value, over all outputs. */
function farthest(a: readonly number[][], b: readonly number[][]): number {
  const shares = a.map((values, i) => {
    const largest = Math.max(...b[i]!.map(Math.abs));
    return Math.max(...values.map((value, j) => Math.abs(value - b[i]![j]!))) / largest;
  });
  return shares.reduce((most, share) => (Number.isFinite(share) ? Math.max(most, share) : Infinity), 0);
}
