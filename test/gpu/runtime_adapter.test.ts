import * as tf from '@tensorflow/tfjs-core';
import type {KernelBackend} from '@tensorflow/tfjs-core';
import {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {causal, full, prepare, slidingWindow, sparseAttention, SplatError, strided} from '../../src/index.js';
import type {Program} from '../../src/pure.js';
import {Host} from '../../src/runtime/host/backend.js';
import {launch} from '../../src/runtime/launch/launch.js';
import {fakePlan, fakeProgram, runFake} from '../support/fake_plan.js';
import {listenToErrors} from '../support/gpu_setup.js';

const backend = (): WebGPUBackend => tf.backend() as WebGPUBackend;
const host = (): Host => Host.of(backend() as unknown as KernelBackend)!;
const ramp = (length: number): tf.Tensor => tf.reshape(tf.range(0, length), [1, 1, length, 1]);
const list = async (tensor: tf.Tensor): Promise<number[]> => Array.from(await tensor.data());

/** Counts calls of a method of the device while `run` runs. */
async function counting<K extends 'createBuffer' | 'createComputePipeline' | 'createComputePipelineAsync'>(
  method: K,
  run: () => Promise<void> | void,
  of: (descriptor: {label?: string}) => boolean = () => true,
): Promise<number> {
  const {device} = backend();
  const original = device[method] as (descriptor: unknown) => unknown;
  let calls = 0;
  (device as unknown as Record<string, unknown>)[method] = (descriptor: {label?: string}) => {
    if (of(descriptor)) calls++;
    return original.call(device, descriptor);
  };
  try {
    await run();
  } finally {
    delete (device as unknown as Record<string, unknown>)[method];
  }
  return calls;
}

/** Runs `run` on a second backend of the same device: its pool is empty. */
async function onNewBackend(run: () => Promise<void> | void): Promise<void> {
  const {device, adapterInfo} = backend();
  tf.copyRegisteredKernels('webgpu', 'fresh');
  tf.registerBackend('fresh', () => new WebGPUBackend(device, adapterInfo as unknown as GPUAdapterInfo));
  await tf.setBackend('fresh');
  try {
    await run();
  } finally {
    await tf.setBackend('webgpu');
    forget('fresh');
  }
}

function forget(name: string): void {
  tf.removeBackend(name);
  for (const {kernelName} of tf.getKernelsForBackend(name)) tf.unregisterKernel(kernelName, name);
}

/** An answer of the device to an error scope arrives some time after the submit. */
const untilHeard = async (): Promise<void> => {
  await backend().queue.onSubmittedWorkDone();
  await new Promise((resolve) => setTimeout(resolve, 50));
};

describe('dispatches on the stock WebGPU backend', () => {
  beforeAll(() => tf.env().set('IS_TEST', true)); // the engine then fails kernels that leave tensors behind
  afterAll(() => tf.env().set('IS_TEST', false));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('run in order, each sees what the earlier ones wrote', async () => {
    const first = fakeProgram({writes: ['scratch'], body: 'scratch[i] = query[i] * params.scale;'});
    const second = fakeProgram({reads: ['scratch'], body: 'output[i] = scratch[i] + 1.0;'});
    expect(await list(runFake(fakePlan(100, [first, second]), ramp(100), 3))).toEqual(
      Array.from({length: 100}, (_, i) => 3 * i + 1),
    );
  });

  it('share a batch with the ops of tfjs before and after them', async () => {
    const plan = fakePlan(8);
    const output = tf.tidy(() => {
      let x = ramp(8);
      for (let i = 0; i < 40; i++) x = tf.sub(runFake(plan, tf.add(x, 1), 2), x);
      return x;
    });
    // x → 2(x + 1) − x = x + 2
    expect(await list(output)).toEqual(Array.from({length: 8}, (_, i) => i + 80));
  });

  it('read tensors that are stored as int32 behind a cast to float32', async () => {
    const bits = tf.tensor([1, 0, 1, 1], [1, 1, 4, 1], 'bool');
    const uploaded = tf.logicalAnd(bits, bits); // lives on the device as int32
    expect(await list(runFake(fakePlan(4), tf.cast(uploaded, 'float32'), 0.5))).toEqual([0.5, 0, 0.5, 0.5]);
  });

  it('give right results when the private members of the backend are missing', async () => {
    const stripped = new Proxy(backend(), {
      get: (target, name) => {
        if (name === 'getQueryTime') return undefined;
        const member: unknown = Reflect.get(target, name);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
    const query = tf.add(ramp(8), 1);
    const first = fakeProgram({writes: ['scratch'], body: 'scratch[i] = query[i] * params.scale;'});
    const second = fakeProgram({reads: ['scratch'], body: 'output[i] = scratch[i] + 1.0;'});
    const [info] = launch(
      Host.of(stripped as unknown as KernelBackend)!,
      fakePlan(8, [first, second]),
      {query, key: query, value: query},
      {scale: 2},
    );
    const output = tf.engine().makeTensorFromTensorInfo(info!);
    expect(await list(output)).toEqual([3, 5, 7, 9, 11, 13, 15, 17]);
  });

  it('are timed by tf.time and named by tf.profile', async () => {
    const plan = fakePlan(8, [fakeProgram({name: 'Fake.timed'})]);
    const query = ramp(8);
    await runFake(plan, query).data();
    const time = (await tf.time(() => runFake(plan, query))) as unknown as {kernelMs: number; getExtraProfileInfo(): string};
    expect(time.kernelMs).toBeGreaterThanOrEqual(0);
    expect(time.getExtraProfileInfo()).toContain('Fake.timed');

    const profile = await tf.profile(() => runFake(plan, query));
    // The profiler reads the output too, unheard: gone before that it would fail in the middle of a later spec.
    await (profile.result as tf.Tensor).data();
    const [kernel] = profile.kernels.filter(({name}) => name === 'SparseAttention');
    expect(kernel!.outputShapes).toEqual([[1, 1, 8, 1]]);
    expect(await (kernel!.extraInfo as unknown as Promise<string>)).toContain('Fake.timed');
  });

  it('do not happen in compile-only mode, which compiles without blocking', async () => {
    const plan = fakePlan(8, [fakeProgram({name: 'Fake.ahead'})]);
    const mine = ({label}: {label?: string}): boolean => label === 'Fake.ahead';
    const query = ramp(8);
    tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', true);
    try {
      const compiled = await counting(
        'createComputePipelineAsync',
        async () => {
          expect(await counting('createComputePipeline', () => void runFake(plan, query), mine)).toBe(0);
          await backend().checkCompileCompletionAsync();
        },
        mine,
      );
      expect(compiled).toBe(1);
    } finally {
      tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', false);
    }
    expect(host().pipelines.has(plan.launches[0]!.program)).toBeTrue();
    const again = await counting(
      'createComputePipeline',
      async () => expect(await list(runFake(plan, query))).toEqual([0, 1, 2, 3, 4, 5, 6, 7]),
      mine,
    );
    expect(again).toBe(0);
  });
});

describe('what stays on the device', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('is uploaded once per plan', async () => {
    const plan = fakePlan(8);
    const schedules = await counting(
      'createBuffer',
      async () => {
        for (let i = 0; i < 5; i++) await runFake(plan, ramp(8)).data();
      },
      ({label}) => label === 'SparseAttention.schedule',
    );
    expect(schedules).toBe(1);
  });

  it('is bounded, and forgotten plans run again', async () => {
    const plans = Array.from({length: 70}, () => fakePlan(4));
    const program = plans[0]!.launches[0]!.program;
    const shared = plans.map((plan) => ({...plan, launches: plan.launches.map((each) => ({...each, program}))}));
    for (const plan of shared) runFake(plan, ramp(4));
    expect(host().residents.size).toBeLessThanOrEqual(64);
    expect(host().residents.get(shared[0]!)).toBeUndefined();
    expect(await list(runFake(shared[0]!, ramp(4)))).toEqual([0, 1, 2, 3]);
  });

  it('holds a bounded number of pipelines', async () => {
    for (let i = 0; i < 70; i++) runFake(fakePlan(4), ramp(4));
    await untilHeard();
    expect(host().pipelines.size).toBeLessThanOrEqual(64);
  });

  it('returns to where it was over a thousand calls of varying length', async () => {
    const program = fakeProgram();
    const plans = Array.from({length: 40}, (_, i) => fakePlan(16 + 25 * i, [program]));
    const largest = 16 + 25 * 39;
    // query, output, scratch: 4 bytes an element each; 16 bytes of parameters
    const need = 3 * 4 * largest + 16;
    type Memory = tf.MemoryInfo & {numBytesInGPU: number; numBytesAllocatedInGPU: number};
    await onNewBackend(() => {
      const kept = tf.keep(tf.tensor1d([1, 2, 3]));
      const before = tf.memory() as Memory;
      let most = 0;
      for (let i = 0; i < 1000; i++) {
        const plan = plans[(i * 17) % 40]!;
        const length = plan.plan.problem.queryLength;
        tf.tidy(() => void runFake(plan, tf.tensor4d(new Float32Array(length), [1, 1, length, 1])));
        most = Math.max(most, (tf.memory() as Memory).numBytesAllocatedInGPU);
      }
      host().flush();
      const after = tf.memory() as Memory;
      expect(after.numTensors).toBe(before.numTensors);
      expect(after.numBytesInGPU).toBe(before.numBytesInGPU);
      expect(most).toBeLessThanOrEqual(2 * need);
      kept.dispose();
    });
  });
});

describe('the pool of buffers', () => {
  type Memory = tf.MemoryInfo & {numBytesInGPU: number; numBytesAllocatedInGPU: number};

  it('stays within twice the need of the largest call over a thousand calls of the op, and all tensors return', async () => {
    await onNewBackend(() => {
      const run = (length: number): void =>
        tf.tidy(() => {
          const x = tf.tensor4d(new Float32Array(2 * length * 8), [1, 2, length, 8]);
          sparseAttention(x, x, x, slidingWindow({left: 4, right: length % 5}), {implementation: 'fused'});
        });
      // One tensor thrice, the output, 16 bytes of scratch, 80 of parameters.
      const need = 2 * (4 * 2 * 120 * 8) + 16 + 80;
      const before = tf.memory() as Memory;
      let most = 0;
      run(120);
      for (let i = 0; i < 1000; i++) {
        run(1 + ((i * 37) % 120));
        most = Math.max(most, (tf.memory() as Memory).numBytesAllocatedInGPU);
      }
      host().flush();
      const after = tf.memory() as Memory;
      expect(after.numTensors).toBe(before.numTensors);
      expect(after.numBytesInGPU).toBe(before.numBytesInGPU);
      expect(most).toBeLessThanOrEqual(2 * need);
    });
  });

  it('is not emptied between calls of one size, also when a pattern takes two passes and results are read', async () => {
    await onNewBackend(async () => {
      const query = tf.randomNormal([1, 2, 128, 8]);
      const pattern = strided({stride: 16})
        .and(causal())
        .or(slidingWindow({left: 15}));
      const chain = async (): Promise<void> => {
        let last: tf.Tensor = query.clone();
        for (let i = 0; i < 9; i++) {
          const next = sparseAttention(last, query, query, pattern, {implementation: 'fused'});
          last.dispose();
          last = next;
        }
        await last.data();
        last.dispose();
      };
      for (let i = 0; i < 3; i++) await chain();
      // What data() maps may be new; when the pool was emptied as a whole there were 21.
      expect(await counting('createBuffer', chain)).toBeLessThanOrEqual(3);
      query.dispose();
    });
  });

  it('serves calls of one size without creating buffers', async () => {
    await onNewBackend(async () => {
      const plan = fakePlan(1000);
      const query = tf.randomNormal([1, 1, 1000, 1]);
      const calls = (count: number): void => {
        for (let i = 0; i < count; i++) runFake(plan, query).dispose();
      };
      calls(20);
      expect(await counting('createBuffer', () => calls(100))).toBe(0);
      query.dispose();
    });
  });
});

describe('a plan that the device refuses', () => {
  let errors: jasmine.Spy;
  beforeEach(() => {
    tf.engine().startScope();
    errors = spyOn(console, 'error');
  });
  afterEach(() => tf.engine().endScope());

  const broken = (): Program => fakeProgram({name: 'Fake.broken', body: 'output[i] = nonsense;'});

  it('is reported with the name of the op and throws from then on', async () => {
    const plan = fakePlan(8, [broken()]);
    runFake(plan, ramp(8));
    await untilHeard();
    expect(errors).toHaveBeenCalledTimes(1);
    expect(errors.calls.mostRecent().args[0]).toMatch(/^SparseAttention: .*Fake\.broken: .*nonsense/s);
    expect(() => runFake(plan, ramp(8))).toThrowError(SplatError, /Fake\.broken: found an error of the WebGPU device/);
    expect(() => runFake(fakePlan(9, [plan.launches[0]!.program]), ramp(9)))
      .withContext('another plan with that program')
      .toThrowError(SplatError, /Fake\.broken/);
  });

  it('spoils nothing of the batch it was called in', async () => {
    const before = tf.add(ramp(8), 1);
    runFake(fakePlan(8, [broken()]), before);
    const after = tf.mul(before, 2);
    expect(await list(after)).toEqual([2, 4, 6, 8, 10, 12, 14, 16]);
    await untilHeard();
  });

  it('is refused by compile-only mode, as tfjs refuses its own programs', async () => {
    const plan = fakePlan(8, [broken()]);
    const cache = (backend() as unknown as {pipelineCache: Record<string, unknown>}).pipelineCache;
    tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', true);
    try {
      runFake(plan, ramp(8));
      await expectAsync(backend().checkCompileCompletionAsync()).toBeRejectedWithError(/Fake\.broken.*nonsense/s);
    } finally {
      tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', false);
      // tfjs would await the rejected promise for ever.
      delete cache[plan.launches[0]!.program.key];
    }
    expect(() => runFake(plan, ramp(8))).toThrowError(SplatError, /Fake\.broken/);
  });

  it('throws before any GPU work when a limit says so', () => {
    const {limits} = backend().device;
    const program = fakeProgram();
    const plan = fakePlan(8, [program]);
    const cases: [string, ReturnType<typeof fakePlan>, RegExp][] = [
      [
        'workgroups',
        {...plan, launches: [{...plan.launches[0]!, grid: [1, limits.maxComputeWorkgroupsPerDimension + 1, 1]}]},
        /^workgroups of Fake\.copy: .*maxComputeWorkgroupsPerDimension/,
      ],
      [
        'workgroup memory',
        fakePlan(8, [{...program, workgroupBytes: limits.maxComputeWorkgroupStorageSize + 1}]),
        /^workgroup bytes of Fake\.copy: .*maxComputeWorkgroupStorageSize/,
      ],
      [
        'invocations',
        fakePlan(8, [{...program, invocations: limits.maxComputeInvocationsPerWorkgroup + 1}]),
        /^invocations of Fake\.copy: .*maxComputeInvocationsPerWorkgroup/,
      ],
      [
        'storage buffers',
        fakePlan(8, [{...program, bindings: Array(limits.maxStorageBuffersPerShaderStage + 1).fill('query')}]),
        /^storage buffers of Fake\.copy: .*maxStorageBuffersPerShaderStage/,
      ],
      [
        'scratch',
        {...plan, workBytes: {scratch: limits.maxStorageBufferBindingSize + 4}},
        /^bytes of scratch: .*maxStorageBufferBindingSize/,
      ],
    ];
    const query = ramp(8);
    const before = tf.memory().numTensors;
    for (const [what, each, message] of cases) {
      expect(() => runFake(each, query))
        .withContext(what)
        .toThrowError(SplatError, message);
    }
    expect(tf.memory().numTensors).toBe(before);
    expect(errors).not.toHaveBeenCalled();
  });

  it('is thrown by prepare', async () => {
    // The real plan of this call, whose program is made to fail by a device that refuses its text.
    const {device} = backend();
    const original = device.createShaderModule;
    device.createShaderModule = (descriptor) => original.call(device, {...descriptor, code: 'nonsense'});
    try {
      const shape = {queryLength: 3, keyLength: 3, headDim: 3, valueDim: 3, implementation: 'dense'} as const;
      await expectAsync(prepare(full(), shape)).toBeRejectedWithError(SplatError, /found an error of the WebGPU device/);
    } finally {
      delete (device as Partial<GPUDevice>).createShaderModule;
    }
  });
});

describe('after device loss', () => {
  it('every call throws', async () => {
    const adapter = (await navigator.gpu.requestAdapter())!;
    const device = await adapter.requestDevice();
    listenToErrors(device);
    tf.copyRegisteredKernels('webgpu', 'doomed');
    tf.registerBackend('doomed', () => new WebGPUBackend(device, adapter.info));
    try {
      await tf.setBackend('doomed');
      const x = tf.zeros([1, 4, 2]);
      expect(host().limits.maxInvocations).toBe(256);
      device.destroy();
      await device.lost;
      await new Promise((resolve) => setTimeout(resolve));
      for (let i = 0; i < 2; i++) {
        expect(() => sparseAttention(x, x, x, causal())).toThrowError(
          SplatError,
          /^WebGPU device: found a lost one .*tf\.removeBackend/,
        );
      }
      await expectAsync(prepare(causal(), {queryLength: 4, keyLength: 4, headDim: 2})).toBeRejectedWithError(
        SplatError,
        /^WebGPU device/,
      );
      x.dispose();
    } finally {
      await tf.setBackend('webgpu');
      forget('doomed');
    }
  });
});
