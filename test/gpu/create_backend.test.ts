import * as tf from '@tensorflow/tfjs-core';
import type {KernelBackend} from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {causal, createWebGPUBackend, slidingWindow, sparseAttention, SplatError, type BackendReport} from '../../src/index.js';
import {Host} from '../../src/runtime/host/backend.js';
import {grantedFeatures} from '../../src/runtime/host/granted.js';
import {laneFault} from '../../src/runtime/open/probe_lanes.js';
import {expectAttention, expectWithin, randomInputs} from '../oracle.js';
import {listenToErrors} from '../support/gpu_setup.js';

const backend = (): WebGPUBackend => tf.backend() as WebGPUBackend;

async function activate(name: string): Promise<void> {
  expect(await tf.setBackend(name)).toBeTrue();
  listenToErrors(backend().device);
}

function forget(name: string): void {
  if (tf.findBackendFactory(name) != null) tf.removeBackend(name);
  if (name === 'webgpu') return;
  for (const {kernelName} of tf.getKernelsForBackend(name)) tf.unregisterKernel(kernelName, name);
}

/** Ops of TensorFlow.js and ours on the current backend, against the backend cpu and the oracle. */
async function expectRightNumbers(): Promise<void> {
  const name = tf.getBackend();
  const rows = randomInputs({batch: 1, heads: 2, queryLength: 45, keyLength: 45, headDim: 8, valueDim: 8});
  const ops = (): tf.Tensor[] => {
    const [a, b] = [tf.tensor2d(rows.query, [90, 8]), tf.tensor2d(rows.key, [90, 8])];
    const product = tf.matMul(a, b, false, true);
    return [product, tf.softmax(product), tf.sum(tf.exp(a), 1), tf.transpose(b)];
  };
  const found = await Promise.all(ops().map((tensor) => tensor.data()));
  await tf.setBackend('cpu');
  const expected = await Promise.all(ops().map((tensor) => tensor.data()));
  await tf.setBackend(name);
  expected.forEach((each, i) => expectWithin(found[i]!, each, 1e-5, `op ${i}`));

  const tensors = [rows.query, rows.key, rows.value].map((data) => tf.tensor4d(data, [1, 2, 45, 8]));
  for (const implementation of ['fused', 'dense'] as const) {
    const pattern = slidingWindow({left: 5, right: 3});
    const output = sparseAttention(tensors[0]!, tensors[1]!, tensors[2]!, pattern, {implementation});
    const shape = {queryLength: 45, keyLength: 45};
    await expectAttention(output, rows, (q, k) => pattern.attends(q, k, shape), {}, implementation);
  }
}

/** Firefox's compiler cannot, and its own words have to say so. */
async function canCastHalves(adapter: GPUAdapter): Promise<boolean> {
  const device = await adapter.requestDevice({requiredFeatures: ['shader-f16']});
  const code = 'enable f16; fn inWords(four: vec4f) -> vec2u { return bitcast<vec2u>(vec4<f16>(four)); }';
  device.pushErrorScope('validation');
  const {messages} = await device.createShaderModule({code}).getCompilationInfo();
  await device.popErrorScope();
  device.destroy();
  return messages.every(({type}) => type !== 'error');
}

/** What must be granted here: each feature that the adapter has. */
async function expectTrue(report: BackendReport): Promise<void> {
  const adapter = (await navigator.gpu.requestAdapter({powerPreference: 'high-performance'}))!;
  const {info, features} = adapter;
  expect(report.adapter).toContain(info.vendor);
  expect(report.float16).toBe(features.has('shader-f16') && (await canCastHalves(adapter)));
  expect(report.subgroups).toEqual(features.has('subgroups') ? {min: info.subgroupMinSize!, max: info.subgroupMaxSize!} : null);
  expect(report.refused.length).toBe(Number(!report.float16) + Number(report.subgroups === null));
}

describe('createWebGPUBackend', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(async () => {
    tf.engine().endScope();
    await tf.setBackend('webgpu');
    forget('splat');
  });

  it('gives a second backend, with what the adapter has and all kernels', async () => {
    const stock = backend();
    const report = await createWebGPUBackend({name: 'splat'});
    expect(tf.backend() as unknown).toBe(stock);
    await expectTrue(report);

    await activate('splat');
    expect(backend()).toBeInstanceOf(WebGPUBackend);
    const {device} = backend();
    expect(device).not.toBe(stock.device);
    // Of float16 the report says less than the device where our casts do not compile.
    if (report.float16) expect(device.features).toContain('shader-f16');
    expect(device.features.has('subgroups')).toBe(report.subgroups !== null);
    expect(device.features.has('timestamp-query')).toBe(stock.device.features.has('timestamp-query'));
    expect(device.limits.maxBufferSize).toBe(stock.device.limits.maxBufferSize);
    expect(device.limits.maxComputeWorkgroupStorageSize).toBe(stock.device.limits.maxComputeWorkgroupStorageSize);
    expect(device.limits.maxStorageBuffersPerShaderStage).toBeGreaterThanOrEqual(8);
    const {float16, subgroups, tensorCores: matrixConfigs} = report;
    expect(grantedFeatures(device)).toEqual({float16, subgroups, matrixConfigs});
    await expectRightNumbers();
  });

  it('gives what was not asked for to nobody', async () => {
    const report = await createWebGPUBackend({name: 'splat', float16: false, subgroups: false});
    expect([report.float16, report.subgroups, report.tensorCores, report.refused]).toEqual([false, null, [], []]);
    await activate('splat');
    expect(backend().device.features.has('subgroups')).toBeFalse();
  });

  it('tells of tensor cores what it gives', async () => {
    const warnings = spyOn(console, 'warn');
    const report = await createWebGPUBackend({name: 'splat', tensorCores: true});
    await activate('splat');
    const has = backend().device.features.has('chromium-experimental-subgroup-matrix' as GPUFeatureName);
    expect(report.tensorCores.length > 0).toBe(has);
    expect(report.refused.some((sentence) => sentence.startsWith('tensorCores: '))).toBe(!has);
    expect(warnings).toHaveBeenCalledTimes(has ? 0 : 1);
  });

  it('goes on with core limits and one warning where the adapter lies about one', async () => {
    const {gpu} = navigator;
    const honest = gpu.requestAdapter.bind(gpu);
    const lying = async (options?: GPURequestAdapterOptions): Promise<unknown> => {
      const adapter = (await honest(options))!;
      const limits = new Proxy(adapter.limits, {
        get: (target, name) => (name === 'maxBufferSize' ? 2 ** 50 : (Reflect.get(target, name, target) as unknown)),
      });
      const requestDevice = adapter.requestDevice.bind(adapter);
      return {features: adapter.features, info: adapter.info, limits, requestDevice};
    };
    const warnings = spyOn(console, 'warn');
    Object.defineProperty(gpu, 'requestAdapter', {value: lying, configurable: true});
    try {
      const report = await createWebGPUBackend({name: 'splat'});
      expect(report.refused.at(-1)).toMatch(/^raised limits: .*maxBufferSize/s);
      expect(report.subgroups === null).toBe(report.refused.some((sentence) => sentence.startsWith('subgroups')));
    } finally {
      delete (gpu as Partial<GPU>).requestAdapter;
    }
    expect(warnings).toHaveBeenCalledTimes(1);
    await activate('splat');
    expect(backend().device.limits.maxBufferSize).toBe(2 ** 28);
    await expectRightNumbers();
  });

  it('finds a fault in lanes that it cannot probe, and leaves no error behind', async () => {
    const report = await createWebGPUBackend({name: 'splat', subgroups: false});
    expect(report.subgroups).toBeNull();
    await activate('splat');
    expect(await laneFault(backend().device, {min: 4, max: 128})).toMatch(/^the probe of its lanes failed \("/);
  });

  it('takes the place of the stock backend', async () => {
    // The stock backend steps aside without being disposed of: the tensors of other specs live there.
    const {registry, registryFactory} = tf.engine();
    const [stock, entry] = [registry['webgpu']!, registryFactory['webgpu']!];
    await tf.setBackend('cpu');
    delete registry['webgpu'];
    try {
      const report = await createWebGPUBackend();
      await expectTrue(report);
      await activate('webgpu');
      expect(backend()).toBeInstanceOf(WebGPUBackend);
      expect(backend() as KernelBackend).not.toBe(stock);
      await expectRightNumbers();

      const kept = tf.zeros([3]);
      await expectAsync(createWebGPUBackend()).toBeRejectedWithError(
        SplatError,
        /^backend 'webgpu': found one that holds \d+ tensors/,
      );
      kept.dispose();
    } finally {
      tf.engine().endScope();
      tf.engine().startScope();
      forget('webgpu');
      registry['webgpu'] = stock;
      registryFactory['webgpu'] = entry;
    }
    await tf.setBackend('webgpu');
    expect(tf.backend()).toBe(stock);
  });

  it('gives a backend that leaves nothing behind when it is removed, and comes again', async () => {
    await createWebGPUBackend({name: 'splat'});
    const factory = tf.findBackendFactory('splat');
    await activate('splat');
    const {device} = backend();
    const [x, y] = [tf.randomNormal([1, 8, 4]), tf.randomNormal([1, 8, 4])];
    // The answer of the error scope of the first run is still on its way.
    sparseAttention(x, y, y, causal());
    tf.removeBackend('splat');
    expect((await device.lost).reason).toBe('destroyed');
    await new Promise((resolve) => setTimeout(resolve, 20));

    tf.registerBackend('splat', factory);
    await activate('splat');
    expect(backend().device).not.toBe(device);
    expect(grantedFeatures(backend().device).subgroups).toEqual(grantedFeatures(device).subgroups);
    expect(await tf.matMul(tf.ones([2, 3]), tf.ones([3, 1])).data()).toEqual(new Float32Array([3, 3]));
  });

  it('replaces a backend whose device is lost', async () => {
    await createWebGPUBackend({name: 'splat'});
    await activate('splat');
    const {device} = backend();
    const x = tf.ones([1, 8, 4]);
    await sparseAttention(x, x, x, causal()).data();
    device.destroy();
    await device.lost;
    await createWebGPUBackend({name: 'splat'});
    await activate('splat');
    expect(Host.of(tf.backend())!.lost).toBeNull();
    const y = tf.ones([1, 8, 4]);
    expectWithin(await sparseAttention(y, y, y, causal()).data(), new Float32Array(32).fill(1), 1e-6);
  });
});
