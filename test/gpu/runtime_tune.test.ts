import * as tf from '@tensorflow/tfjs-core';
import {applyTuning, causal, slidingWindow, tune} from '../../src/index.js';
import {compile, PLAIN, tuningOf, type Device, type Features} from '../../src/pure.js';
import {Pipelines} from '../../src/runtime/host/pipelines.js';
import {host} from '../support/attend.js';
import {problemFor} from '../support/plans.js';

describe('tune on WebGPU', () => {
  const pattern = slidingWindow({left: 200, right: 200});
  const shape = {queryLength: 2048, keyLength: 2048, headDim: 64, heads: 8};
  const problem = problemFor({queryLength: 2048, keyLength: 2048, queryOffset: 0}, {headDim: 64, heads: 8});
  let before: Device;

  beforeEach(() => (before = host().limits));
  afterEach(() => (host().limits = before));

  it('takes the fastest candidate from then on', async () => {
    const start = tf.memory().numTensors;
    const {kind, chosen, timings, tuning} = await tune(pattern, shape);
    const {key, names} = tuningOf(pattern, problem, before);
    expect(kind).toBe(key);
    // A software adapter has one shape that it compiles in reasonable time; a GPU has something to choose from.
    expect(timings.length).toBe(before.software ? 0 : names.length);
    expect(timings.map(({ms}) => ms)).toEqual(timings.map(({ms}) => ms).sort((a, b) => a - b));
    expect(chosen).toBe(timings[0]?.tile ?? names[0]!);
    expect(tuning.choices[kind]).toBe(chosen);
    expect(tuningOf(pattern, problem, host().limits).names[0]).toBe(chosen);
    expect(tf.memory().numTensors).withContext('tensors left behind').toBe(start);
  });

  describe('with candidates to choose from', () => {
    // A software adapter takes minutes to compile the tiles of a GPU. What is asked here is whether calls bring what their kernels bind,
    // and bind groups are checked against layouts, which stay as they are over an empty program.
    beforeEach(() => {
      host().limits = {...before, software: false};
      host().pipelines = new Pipelines(host().device);
      const {device} = host();
      const create = device.createShaderModule.bind(device);
      spyOn(device, 'createShaderModule').and.callFake(({label, code}) =>
        create({code: label?.startsWith('SparseAttention') ? '@compute @workgroup_size(1) fn main() {}' : code}),
      );
    });
    afterEach(() => (host().pipelines = new Pipelines(host().device)));

    const short = {batch: 2, queryLength: 20, keyLength: 24, headDim: 4, heads: 2, keyHeads: 1};
    const options = ['bias', 'softcap', 'alibiSlopes', 'relativeBias', 'keyLengths', 'segmentIds', 'sinks', 'dropout'] as const;
    it('times calls that bring every option, with fewer key heads', async () => {
      const start = tf.memory().numTensors;
      const {chosen, timings} = await tune(causal(), {...short, options});
      expect(timings.length).toBeGreaterThan(1);
      expect(timings.every(({ms}) => ms > 0)).toBeTrue();
      expect(chosen).toBe(timings[0]!.tile);
      expect(tf.memory().numTensors).withContext('tensors left behind').toBe(start);
    });

    it('chooses among the tiles of the kernel that such calls take', () => {
      const {float16: _, ...device} = before;
      const matrices = [{componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16}];
      const cores = {...device, float16: true, subgroups: {min: 32, max: 32}, matrices, software: false, maxWorkgroupBytes: 32768};
      const names = (features: Features): readonly string[] =>
        tuningOf(causal(), problem, cores, {features, precision: 'float16'}).names;
      expect(names(PLAIN)).toContain('matrix');
      expect(names({...PLAIN, alibi: true})).not.toContain('matrix');
    });
  });

  it('can be taken up again, from JSON', async () => {
    const {tuning, kind} = await tune(pattern, shape);
    host().limits = before;
    expect(applyTuning(JSON.parse(JSON.stringify(tuning)))).toBeTrue();
    expect(host().limits.tuned[kind]).toBe(tuning.choices[kind]!);
  });

  it('is left aside with a warning when another version or device made it', async () => {
    const {tuning} = await tune(pattern, shape);
    const warn = spyOn(console, 'warn');
    host().limits = before;
    expect(applyTuning({...tuning, version: 'older'})).toBeFalse();
    expect(applyTuning({...tuning, device: 'somebody else’s'})).toBeFalse();
    expect(warn.calls.allArgs().map(([text]) => String(text))).toEqual([
      jasmine.stringMatching(/another version of tfjs-splat/),
      jasmine.stringMatching(/made on 'somebody else’s'/),
    ]);
    expect(host().limits).toBe(before);
  });

  it('cannot name a tile shape that the device does not suit', () => {
    const {key} = tuningOf(causal(), problem, before);
    const lying = {...before, tuned: {[key]: 'matrix'}};
    expect(compile(causal(), problem, lying).plan.tile).toEqual(compile(causal(), problem, before).plan.tile);
  });

  it('refuses what is no tuning', () => {
    for (const wrong of [null, 'text', {}, {version: 'a', device: 'b', choices: {c: 1}}]) {
      expect(() => applyTuning(wrong as never)).toThrowError(/tuning: found .*tune\(\) gave/);
    }
  });
});
