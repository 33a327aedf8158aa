import * as tf from '@tensorflow/tfjs-core';
import {causal, currentDevice, KvCache, planAttention, sparseAttention} from '../../src/index.js';
import {PLAIN} from '../../src/pure.js';
import {compiledPlan} from '../../src/runtime/call/cache.js';
import {backend, host} from '../support/attend.js';
import {problemFor} from '../support/plans.js';

const SHAPE = {queryLength: 20, keyLength: 20, headDim: 4, heads: 2, implementation: 'fused'} as const;

describe('SPLAT_DEBUG on WebGPU', () => {
  afterEach(() => tf.env().set('SPLAT_DEBUG', 0));

  const attend = (x: tf.Tensor): tf.Tensor => sparseAttention(x, x, x, causal(), {implementation: 'fused'});

  it('prints pattern, rows, plan, WGSL and time of a call, and plan, WGSL and time of its backward pass', async () => {
    const log = spyOn(console, 'log');
    tf.env().set('SPLAT_DEBUG', 5);
    const gradient = tf.grad(attend)(tf.ones([1, 2, 20, 4]));
    tf.env().set('SPLAT_DEBUG', 0);
    await gradient.data();
    await backend().device.queue.onSubmittedWorkDone();
    const rooms = log.calls.allArgs().map(([text]) => String(text));
    const begins = ['sparseAttention: ', 'acsr ', 'plan ', 'launch ', 'plan ', 'launch '];
    expect(rooms.slice(0, 6)).toEqual(begins.map((text) => jasmine.stringMatching(`^${text}`)));
    expect(rooms[3]).toContain('@compute');
    expect(rooms.slice(6)).toEqual([/attend/, /Gradients/].map((name) => jasmine.stringMatching(name)));
    expect(rooms.slice(6)).toEqual([1, 2].map(() => jasmine.stringMatching(/^time .* ms$/)));
  });

  it('throws what a checker finds', () => {
    tf.env().set('SPLAT_DEBUG', 1);
    spyOn(console, 'log');
    const x = tf.ones([1, 1, 21, 4]);
    const problem = problemFor({queryLength: 21, keyLength: 21, queryOffset: 0}, {headDim: 4});
    // The plan that the call will take from the cache.
    const {plan} = compiledPlan(causal(), problem, host().limits, {implementation: 'fused', features: PLAIN, precision: 'float32'});
    const words = plan.schedule.slice(0, 8);
    plan.schedule.fill(0, 0, 8);
    expect(() => attend(x)).toThrowError(/^plan: /);
    plan.schedule.set(words);
    expect(attend(x).shape).toEqual([1, 1, 21, 4]);
  });

  it('prints the plan of a decoding step', () => {
    const log = spyOn(console, 'log');
    const cache = new KvCache(causal(), {keyHeads: 2, headDim: 4, maxLength: 8});
    tf.env().set('SPLAT_DEBUG', 3);
    const x = tf.ones([1, 2, 1, 4]);
    // The first tokens of a cache are one call of sparseAttention.
    cache.attend(x, x, x);
    log.calls.reset();
    cache.attend(x, x, x);
    expect(log.calls.allArgs().map(([text]) => String(text))).toEqual([jasmine.stringMatching(/^plan /)]);
    cache.dispose();
  });
});

describe('currentDevice', () => {
  it('gives planAttention the device of the backend, whose plan is the one that runs', () => {
    const device = currentDevice()!;
    expect(Object.isFrozen(device)).toBeTrue();
    const plan = planAttention(causal(), {...SHAPE, device});
    expect(plan.device).toBe(device);
    const {limits} = backend().device;
    expect(device.maxWorkgroupBytes).toBe(limits.maxComputeWorkgroupStorageSize);
  });
});
