import {compiledPlan, cacheSize} from '../../src/runtime/call/cache.js';
import {CORE_DEVICE, fromMask, Pattern, PLAIN} from '../../src/pure.js';
import {slidingWindow} from '../../src/pattern/index.js';
import {deviceRecord} from '../../src/runtime/host/device.js';
import {Lru} from '../../src/support/index.js';
import {problemFor} from '../support/plans.js';

describe('a bounded cache', () => {
  it('forgets what was unused for longest', () => {
    const evicted: string[] = [];
    const cache = new Lru<number, string>({entries: 2, evicted: (value) => evicted.push(value)});
    cache.set(1, 'one');
    cache.set(2, 'two');
    cache.get(1);
    cache.set(3, 'three');
    expect(evicted).toEqual(['two']);
    expect([cache.get(1), cache.get(2), cache.get(3)]).toEqual(['one', undefined, 'three']);
  });

  it('counts weight as well as entries, and keeps the newest whatever it weighs', () => {
    const cache = new Lru<number, number>({entries: 10, weight: 10, weigh: (value) => value});
    cache.set(1, 6);
    cache.set(2, 4);
    expect(cache.size).toBe(2);
    cache.set(3, 1);
    expect([cache.get(1), cache.get(2), cache.get(3)]).toEqual([undefined, 4, 1]);
    cache.set(4, 100);
    expect(cache.size).toBe(1);
    cache.set(5, 2);
    expect([cache.get(4), cache.get(5)]).toEqual([undefined, 2]);
  });

  it('frees a value that is replaced', () => {
    const evicted: string[] = [];
    const cache = new Lru<number, string>({entries: 2, evicted: (value) => evicted.push(value)});
    cache.set(1, 'old');
    cache.set(1, 'new');
    expect(evicted).toEqual(['old']);
    expect(cache.size).toBe(1);
  });
});

describe('the cache of plans', () => {
  const problem = problemFor({queryLength: 16, keyLength: 16, queryOffset: 0}, {headDim: 4});
  const plan = (pattern: Pattern, queryLength = 16) => compiledPlan(pattern, {...problem, queryLength}, CORE_DEVICE, {});

  it('returns one plan for equal calls, whichever object holds the pattern', () => {
    expect(plan(slidingWindow({left: 3}))).toBe(plan(slidingWindow({left: 3})));
  });

  it('tells calls apart by pattern, sizes, device and options', () => {
    const plans = [
      plan(slidingWindow({left: 3})),
      plan(slidingWindow({left: 4})),
      plan(slidingWindow({left: 3}), 17),
      compiledPlan(slidingWindow({left: 3}), problem, {...CORE_DEVICE, software: true}, {}),
      compiledPlan(slidingWindow({left: 3}), problem, CORE_DEVICE, {features: {...PLAIN, bias: true}}),
      compiledPlan(slidingWindow({left: 3}), problem, CORE_DEVICE, {features: {...PLAIN, dropout: true}}),
      compiledPlan(slidingWindow({left: 3}), problem, CORE_DEVICE, {aux: 'rowSums'}),
      compiledPlan(slidingWindow({left: 3}), {...problem, heads: 2}, CORE_DEVICE, {}),
      compiledPlan(slidingWindow({left: 3}), {...problem, heads: 2, keyHeads: 2}, CORE_DEVICE, {}),
      compiledPlan(slidingWindow({left: 3}), problem, CORE_DEVICE, {implementation: 'dense'}),
    ];
    expect(new Set(plans).size).toBe(plans.length);
  });

  it('knows patterns of long text by what they hold: layers with equal masks share a plan', () => {
    const mask = Array.from({length: 256 * 256}, (_, i) => (i * 7919) % 5 < 2);
    const make = (): Pattern => fromMask(mask, {queryLength: 256, keyLength: 256});
    const plans = cacheSize();
    const sizes = {...problem, queryLength: 256, keyLength: 256};
    const pattern = make();
    expect(pattern.toString().length).toBeGreaterThan(1000);
    expect(compiledPlan(pattern, sizes, CORE_DEVICE, {})).toBe(compiledPlan(pattern, sizes, CORE_DEVICE, {}));
    expect(compiledPlan(make(), sizes, CORE_DEVICE, {})).toBe(compiledPlan(pattern, sizes, CORE_DEVICE, {}));
    expect(cacheSize()).toBe(plans + 1);
    mask[300] = !mask[300];
    expect(compiledPlan(make(), sizes, CORE_DEVICE, {})).not.toBe(compiledPlan(pattern, sizes, CORE_DEVICE, {}));
  });

  it('does not print a large mask to know it', () => {
    const toString = spyOn(Pattern.prototype, 'toString').and.callThrough();
    const mask = fromMask(new Uint8Array(512 * 4096).fill(1), {queryLength: 512, keyLength: 4096});
    const sizes = {...problem, queryLength: 512, keyLength: 4096};
    compiledPlan(mask.and(slidingWindow({left: 3})).not(), sizes, CORE_DEVICE, {});
    expect(toString).not.toHaveBeenCalled();
  });

  it('stays bounded', () => {
    for (let length = 1; length <= 100; length++) plan(slidingWindow({left: 1}), length);
    expect(cacheSize()).toBeLessThanOrEqual(128);
  });
});

describe('the record of a device', () => {
  const limits = {
    maxComputeWorkgroupStorageSize: 32768,
    maxComputeInvocationsPerWorkgroup: 1024,
    maxComputeWorkgroupSizeX: 512,
    maxStorageBuffersPerShaderStage: 10,
    maxStorageBufferBindingSize: 2 ** 30,
    maxBufferSize: 2 ** 28,
    maxComputeWorkgroupsPerDimension: 65535,
  } as GPUSupportedLimits;

  const none = {float16: false, subgroups: null, matrixConfigs: []};

  it('takes the smaller of two limits that bind together', () => {
    expect(deviceRecord(limits, {}, none)).toEqual({
      maxWorkgroupBytes: 32768,
      maxInvocations: 512,
      maxStorageBuffers: 10,
      maxBindingBytes: 2 ** 28,
      maxWorkgroupsPerDimension: 65535,
      subgroups: null,
      float16: false,
      matrices: [],
      vendor: '',
      tuned: {},
      software: false,
    });
  });

  it('recognises a CPU that pretends to be a GPU', () => {
    for (const words of [
      {vendor: 'google', architecture: 'swiftshader'},
      {vendor: 'mesa', description: 'llvmpipe (LLVM 15.0.6, 256 bits)'},
      {description: 'Microsoft Basic Render Driver'},
      {isFallbackAdapter: true},
    ]) {
      expect(deviceRecord(limits, words, none).software)
        .withContext(JSON.stringify(words))
        .toBeTrue();
    }
    for (const words of [
      {},
      {vendor: 'nvidia', architecture: 'hopper', description: 'NVIDIA H200'},
      {vendor: 'apple', isFallbackAdapter: false},
    ]) {
      expect(deviceRecord(limits, words, none).software)
        .withContext(JSON.stringify(words))
        .toBeFalse();
    }
  });
});
