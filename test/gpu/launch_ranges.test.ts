import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {Pace} from '../../src/runtime/host/pace.js';
import {causal, KvCache, parsePattern, slidingWindow, sparseAttention, strided} from '../../src/index.js';
import {CORE_DEVICE, type Device} from '../../src/pure.js';
import {randomMask} from '../corpus.js';
import {randomInputs} from '../oracle.js';
import {compileInParts, host, runCompiled, tensorsOf} from '../support/attend.js';
import {spell} from '../support/dense_cases.js';
import {drawGiven, gradientsInParts} from '../support/gradient_cases.js';
import {BASE, type OptionCase, type Tensors} from '../support/option_cases.js';
import {problemFor} from '../support/plans.js';

/** A grid of it takes two items or merges, and the two heads of these calls. */
const narrow = (device: Device): Device => ({...device, maxWorkgroupsPerDimension: 2});

/** What is dispatched meanwhile, by name. */
function dispatched<T>(run: () => T): {
  readonly result: T;
  readonly count: (name: string) => number;
  /** The most that were encoded together. */
  readonly together: number;
} {
  const names: string[] = [];
  let together = 0;
  const there = host();
  const {encode} = there;
  there.encode = (dispatches, touched) => {
    names.push(...dispatches.map(({name}) => name));
    together = Math.max(together, dispatches.length);
    encode.call(there, dispatches, touched);
  };
  try {
    const result = run();
    return {result, together, count: (name) => names.filter((each) => each === `SparseAttention.${name}`).length};
  } finally {
    there.encode = encode;
  }
}

const read = async (tensors: Tensors): Promise<Record<string, ArrayLike<number>>> =>
  Object.fromEntries(await Promise.all(Object.entries(tensors).map(async ([name, tensor]) => [name, await tensor.data()])));

describe('dispatches over ranges of a plan', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('give the bits of whole ones: two passes of rows in parts', async () => {
    const pattern = slidingWindow({left: 450}).or(strided({stride: 2}));
    const problem = problemFor({queryLength: 100, keyLength: 1300, queryOffset: 1200}, {heads: 2});
    const inputs = randomInputs(problem);
    const [whole, cut] = [CORE_DEVICE, narrow(CORE_DEVICE)].map((device) =>
      dispatched(() => runCompiled(compileInParts(pattern, problem, {}, device), tensorsOf(inputs), 0.25)),
    ) as [ReturnType<typeof dispatched<tf.Tensor>>, ReturnType<typeof dispatched<tf.Tensor>>];
    expect([whole.count('attend'), whole.count('merge')]).toEqual([2, 2]);
    expect(cut.count('attend')).toBeGreaterThan(6);
    expect(cut.count('merge')).toBe(4);
    expect(await cut.result.data()).toEqual(await whole.result.data());
  });

  it('give the bits of whole ones: gradients of grouped heads in parts and waves', async () => {
    const pattern = 'globalTokens([3, 390]) or strided(stride: 2) and globalTokens(40)';
    const sizes = {batch: 1, keyHeads: 1, queryOffset: 0, queryLength: 400, keyLength: 400};
    const given: OptionCase = {...BASE, ...sizes, pattern};
    const spelled = spell(given);
    const back = drawGiven(given, spelled);
    const binding = {...CORE_DEVICE, maxBindingBytes: 16 * (given.queryLength + 3 * 32 * 8)};
    const [whole, cut] = [binding, narrow(binding)].map((device) =>
      dispatched(() => gradientsInParts(given, spelled, parsePattern(pattern), back, device)),
    ) as [ReturnType<typeof dispatched<Tensors>>, ReturnType<typeof dispatched<Tensors>>];
    for (const name of ['queryGradients', 'keyGradients', 'scoreGradients', 'keyScoreGradients', 'sumKeyGradients'])
      expect(cut.count(name)).withContext(name).toBeGreaterThan(whole.count(name));
    expect(await read(cut.result)).toEqual(await read(whole.result));
  });

  it('give the bits of whole ones: steps of decoding, of sequences of their own lengths too', async () => {
    const {limits} = host();
    const inputs = randomInputs(problemFor({queryLength: 402, keyLength: 402, queryOffset: 0}, {heads: 2, batch: 2}));
    const [query, key, value] = tensorsOf(inputs);
    const tokens = (tensor: tf.Tensor4D, from: number, count: number): tf.Tensor4D =>
      tf.slice(tensor, [0, 0, from, 0], [-1, -1, count, -1]);
    const run = (device: Device): ReturnType<typeof dispatched<tf.Tensor[]>> => {
      const cache = new KvCache(causal(), {batch: 2, keyHeads: 2, headDim: 16, maxLength: 512});
      const attend = (from: number, count: number): tf.Tensor =>
        cache.attend(tokens(query, from, count), tokens(key, from, count), tokens(value, from, count));
      attend(0, 400);
      host().limits = device;
      try {
        return dispatched(() => {
          const first = attend(400, 1);
          cache.rollback([0, 101]);
          return [first, attend(401, 1)];
        });
      } finally {
        host().limits = limits;
      }
    };
    // A software adapter gets rows in one part.
    const real = {...limits, software: false};
    const [whole, cut] = [run(real), run(narrow(real))];
    expect(whole.count('merge')).toBeGreaterThan(0);
    expect(cut.count('attend')).toBeGreaterThan(whole.count('attend') + 4);
    for (const [step, output] of cut.result.entries())
      expect(await output.data())
        .withContext(`step ${step}`)
        .toEqual(await whole.result[step]!.data());
  });

  it('give the bits of whole ones where each would run too long, with a submit between: forward, backward and steps', async () => {
    const there = host();
    const {pace} = there;
    const problem = problemFor({queryLength: 300, keyLength: 300, queryOffset: 0}, {batch: 2, heads: 2, headDim: 16});
    const [query, key, value] = tensorsOf(randomInputs(problem));
    const patterns = [causal().or(strided({stride: 16})), randomMask(300, 300, 0.02, 7), randomMask(300, 300, 0.5, 7)];
    for (const [pattern, precision] of patterns.flatMap((each) => [[each, 'float32'] as const, [each, 'float16'] as const])) {
      const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor4D =>
        sparseAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, pattern, {precision});
      const run = (ms: number): ReturnType<typeof dispatched<tf.Tensor[]>> => {
        tf.env().set('SPLAT_DISPATCH_MS', ms);
        // What such short ones take says nothing of the device.
        there.pace = new Pace(there.device.queue, true);
        try {
          return dispatched(() => {
            const cache = new KvCache(causal(), {batch: 2, keyHeads: 2, headDim: 16, maxLength: 512, precision});
            return [attend(query, key, value), ...tf.grads(attend)([query, key, value]), cache.attend(query, key, value)];
          });
        } finally {
          tf.env().set('SPLAT_DISPATCH_MS', 250);
          there.pace = pace;
        }
      };
      const [whole, cut] = [run(Infinity), run(1e-9)];
      for (const name of ['queryGradients', 'keyGradients'])
        expect(cut.count(name) + cut.count(`${name}Rows`))
          .withContext(name)
          .toBeGreaterThan(whole.count(name) + whole.count(`${name}Rows`));
      // A submit for each, with what takes no time of its own: conversions, merges.
      expect(cut.together).toBeLessThan(whole.together);
      for (const [index, output] of cut.result.entries())
        expect(await output.data())
          .withContext(`${pattern.toString().slice(0, 30)}, ${precision}, result ${index}`)
          .toEqual(await whole.result[index]!.data());
    }
  });
});
