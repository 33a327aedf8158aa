import * as tf from '@tensorflow/tfjs-core';
import {causal, KvCache, prefix, slidingWindow, sparseAttention, type Pattern} from '../../src/index.js';
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

describe('a call like others before', () => {
  let query: tf.Tensor4D, key: tf.Tensor4D, value: tf.Tensor4D, bias: tf.Tensor4D, rowBias: tf.Tensor4D;
  const window = slidingWindow({left: 5, right: 5});
  beforeAll(() => {
    [query, key, value] = three(24, 3);
    [bias, rowBias] = [random([1, 1, 24, 24], 9), random([1, 1, 1, 24], 10)];
  });
  afterAll(() => tf.dispose([query, key, value, bias, rowBias]));

  /** What calls may differ in. */
  const CALLS: readonly {readonly name: string; readonly call: () => tf.Tensor}[] = [
    {name: 'plain', call: () => sparseAttention(query, key, value, window)},
    {
      name: 'equal options in another object',
      call: () => sparseAttention(query, key, value, slidingWindow({left: 5, right: 5}), {}),
    },
    {name: 'a scale', call: () => sparseAttention(query, key, value, window, {scale: 0.5})},
    {name: 'a far scale', call: () => sparseAttention(query, key, value, window, {scale: 1e5})},
    {name: 'a query offset', call: () => sparseAttention(query, key, value, window, {queryOffset: 3})},
    {name: 'the other layout', call: () => sparseAttention(query, query, query, causal(), {layout: 'blhd'})},
    {name: 'halves', call: () => sparseAttention(query, key, value, window, {precision: 'float16'})},
    {name: 'dense', call: () => sparseAttention(query, key, value, window, {implementation: 'dense'})},
    {name: 'a bias', call: () => sparseAttention(query, key, value, window, {bias})},
    {name: 'a bias of another shape', call: () => sparseAttention(query, key, value, window, {bias: rowBias})},
    {name: 'lengths', call: () => sparseAttention(query, key, value, window, {keyLengths: [7]})},
    {name: 'other lengths', call: () => sparseAttention(query, key, value, window, {keyLengths: [20]})},
    {name: 'dropout', call: () => sparseAttention(query, key, value, window, {dropout: 0.5, seed: 3})},
    {name: 'another seed', call: () => sparseAttention(query, key, value, window, {dropout: 0.5, seed: 4})},
    {name: 'another pattern', call: () => sparseAttention(query, key, value, causal())},
  ];
  const run = async (call: () => tf.Tensor): Promise<number[]> => {
    const output = call();
    const numbers = [...(await output.data())];
    output.dispose();
    return numbers;
  };

  it('gives what it gave first, whatever came between', async () => {
    const first = new Map<string, number[]>();
    for (const {name, call} of CALLS) first.set(name, await run(call));
    // But equal options, and all tiles computed instead of some.
    expect(new Set([...first.values()].map(String)).size).toBeGreaterThanOrEqual(CALLS.length - 2);
    const order = [...CALLS, ...CALLS].map((each, i) => ({each, at: (7919 * i) % 31}));
    order.sort((a, b) => a.at - b.at);
    for (const {each} of order)
      expect(await run(each.call))
        .withContext(each.name)
        .toEqual(first.get(each.name)!);
  });

  it('is refused as the first one was, and the next one is right', async () => {
    const right = await run(CALLS[0]!.call);
    const wrong = (): tf.Tensor => sparseAttention(query, key, value, window, {scale: NaN});
    const message = (): string => {
      try {
        wrong().dispose();
      } catch (error) {
        return String(error);
      }
      return 'nothing was thrown';
    };
    const first = message();
    expect(first).toContain('option scale');
    expect(message()).toBe(first);
    expect(await run(CALLS[0]!.call)).toEqual(right);
  });

  it('sees options and arrays that were changed between', async () => {
    const options: {scale: number; keyLengths?: number[]} = {scale: 0.5};
    const call = (): tf.Tensor => sparseAttention(query, key, value, window, options);
    const half = await run(call);
    options.scale = 2;
    expect(await run(call)).toEqual(await run(() => sparseAttention(query, key, value, window, {scale: 2})));
    options.scale = 0.5;
    expect(await run(call)).toEqual(half);
    options.keyLengths = [9];
    expect(await run(call)).toEqual(await run(() => sparseAttention(query, key, value, window, {scale: 0.5, keyLengths: [9]})));
    options.keyLengths[0] = 4;
    expect(await run(call)).toEqual(await run(() => sparseAttention(query, key, value, window, {scale: 0.5, keyLengths: [4]})));
  });

  it('obeys flags that were set between, and plans anew for what tune found', async () => {
    const {call} = CALLS[0]!;
    const right = await run(call);
    tf.env().set('SPLAT_DISPATCH_MS', 1e-6);
    expect(await run(call)).toEqual(right);
    tf.env().set('SPLAT_DISPATCH_MS', 250);
    const log = spyOn(console, 'log');
    tf.env().set('SPLAT_DEBUG', 1);
    expect(await run(call)).toEqual(right);
    tf.env().set('SPLAT_DEBUG', 0);
    expect(log).toHaveBeenCalledTimes(1);
    const {limits} = host();
    host().limits = {...limits, tuned: {...limits.tuned, none: 'none'}};
    expect(await run(call)).toEqual(right);
    host().limits = limits;
  });

  it('asks nothing of the device but what it computes', async () => {
    for (const {name, call} of CALLS) {
      if (name.includes('lengths')) continue; // They are uploaded.
      for (let i = 0; i < 3; i++) await run(call);
      const calls = await deviceCalls(backend().device, () => run(call));
      expect([calls.createBindGroup, calls.createBuffer, calls.writeBuffer]).withContext(name).toEqual([0, 0, 0]);
    }
  });
});
