import * as tf from '@tensorflow/tfjs-core';
import {causal, KvCache, prefix, slidingWindow, type Pattern} from '../../src/index.js';
import {compile} from '../../src/pure.js';
import {launch} from '../../src/runtime/launch/launch.js';
import {backend, host, type Three} from '../support/attend.js';
import {deviceCalls, type DeviceCalls} from '../support/device_calls.js';
import {withWholeLaunches} from '../support/whole_launches.js';

const random = (shape: [number, number, number, number], seed: number): tf.Tensor4D =>
  tf.randomNormal(shape, 0, 1, 'float32', seed);
const three = (tokens: number, seed: number): Three => [0, 1, 2].map((i) => random([1, 2, tokens, 8], seed + i)) as Three;

describe('a repeated call', () => {
  withWholeLaunches();
  it('packs no parameters, and those of other numbers once', () => {
    const problem = {batch: 1, heads: 2, keyHeads: 2, packedHeads: 1, queryLength: 40, keyLength: 40, queryOffset: 0};
    const compiled = compile(slidingWindow({left: 5, right: 5}), {...problem, headDim: 8, valueDim: 8}, host().limits);
    let packed = 0;
    const launches = compiled.launches.map((each) => ({
      ...each,
      params(call: Parameters<typeof each.params>[0]) {
        packed++;
        return each.params(call);
      },
    }));
    const counted = {...compiled, launches};
    tf.tidy(() => {
      const [query, key, value] = three(40, 1);
      const run = (scale: number): number => {
        packed = 0;
        const made = launch(host(), counted, {query, key, value}, {scale, layout: 'bhld', dropout: 0, seed: 0});
        for (const tensor of made) tf.engine().makeTensorFromTensorInfo(tensor);
        return packed;
      };
      expect(run(0.25)).toBeGreaterThan(0);
      expect(run(0.25)).toBe(0);
      expect(run(0.5)).toBeGreaterThan(0);
      expect([run(0.25), run(0.5)]).toEqual([0, 0]);
    });
  });
});

/** Layers of a model: steps of caches with these patterns, and slopes of their own each. */
function layersOf(patterns: readonly Pattern[]) {
  const caches = patterns.map((pattern) => new KvCache(pattern, {keyHeads: 2, headDim: 8, maxLength: 64}));
  const slopes = patterns.map((_, layer) => tf.keep(tf.tensor1d([0.5 + layer, 0.25])));
  return {
    step: (tokens: number, seed: number): tf.Tensor4D[] =>
      caches.map((cache, layer) => cache.attend(...three(tokens, seed + 10 * layer), {alibiSlopes: slopes[layer]!})),
    dispose: () => {
      for (const cache of caches) cache.dispose();
      tf.dispose(slopes);
    },
  };
}

/** What layers make in some steps, and what the last of them asked of the device. */
async function decoded(patterns: readonly Pattern[]): Promise<{outputs: number[][]; calls: DeviceCalls}> {
  const {step, dispose} = layersOf(patterns);
  const outputs: number[][] = [];
  const take = async (made: tf.Tensor4D[]): Promise<void> => {
    for (const [layer, output] of made.entries()) (outputs[layer] ??= []).push(...(await output.data()));
    tf.dispose(made);
  };
  await take(step(5, 1));
  let calls: DeviceCalls | undefined;
  for (let i = 0; i < 5; i++) {
    let made: tf.Tensor4D[] = [];
    calls = await deviceCalls(backend().device, () => {
      made = step(1, 100 + i);
    });
    await take(made);
  }
  dispose();
  return {outputs, calls: calls!};
}

describe('layers that decode', () => {
  withWholeLaunches();
  const global = causal();
  const local = (): Pattern =>
    prefix(2)
      .or(slidingWindow({left: 3}))
      .and(causal());

  it('plan a step once where they share a pattern: its schedule is written once, and no parameters, which are those of the step before', async () => {
    expect((await decoded([global, global, global])).calls.writeBuffer).toBe(1);
    // Equal patterns, each with its own object.
    expect((await decoded([local(), local(), local()])).calls.writeBuffer).toBe(1);
    expect((await decoded([local(), global, local(), global])).calls.writeBuffer).toBe(2);
  });

  it('give what each gives alone', async () => {
    const patterns = [local(), global, local(), global];
    const {outputs} = await decoded(patterns);
    for (const [layer, pattern] of patterns.entries()) {
      // The same layer beside others that share nothing with it.
      const others = patterns.map((_, other) => (other === layer ? pattern : slidingWindow({left: 7 + other}).and(causal())));
      expect((await decoded(others)).outputs[layer]).toEqual(outputs[layer]!);
    }
  });
});
