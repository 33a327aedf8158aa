import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import {applyTuning, causal, tune, type Tuning} from '../../src/index.js';

describe('tune without WebGPU', () => {
  beforeAll(() => tf.setBackend('cpu'));

  const shape = {queryLength: 8, keyLength: 8, headDim: 4};

  it('says that there is nothing to tune', async () => {
    await expectAsync(tune(causal(), shape)).toBeRejectedWithError(/tune: found the backend 'cpu', expected a WebGPU backend/);
    expect(() => applyTuning({version: 'a', device: 'b', choices: {}})).toThrowError(/applyTuning: found the backend 'cpu'/);
  });

  it('refuses a wrong shape first', async () => {
    await expectAsync(tune(causal(), {...shape, headDim: 0})).toBeRejectedWithError(/headDim/);
    await expectAsync(tune('causal()' as never, shape)).toBeRejectedWithError(/pattern/);
  });
});

describe('a tuning', () => {
  const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0';
  const NAMED = {vendor: 'nvidia', architecture: 'hopper'};
  // As Firefox says it of every GPU.
  const UNNAMED = {vendor: '', architecture: '', device: 'unknown', description: ''};

  interface Machine {
    readonly info: object;
    readonly memory?: number;
    readonly features?: readonly string[];
    readonly browser?: string;
  }
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');

  /** Makes this machine the one that runs; its adapter is software, so that there is nothing to time. */
  async function become({info, memory = 2 ** 28, features = [], browser = FIREFOX}: Machine): Promise<void> {
    Object.defineProperty(globalThis, 'navigator', {value: {userAgent: browser}, configurable: true, writable: true});
    /** As browsers have them: getters of the prototype. */
    const limits = Object.create({
      maxBufferSize: memory,
      maxStorageBufferBindingSize: memory,
      maxComputeWorkgroupStorageSize: 16384,
      maxComputeInvocationsPerWorkgroup: 256,
      maxComputeWorkgroupSizeX: 256,
      maxStorageBuffersPerShaderStage: 8,
      maxComputeWorkgroupsPerDimension: 65535,
    }) as object;
    const adapterInfo = {...info, isFallbackAdapter: true};
    const device = {limits, features: new Set(features), adapterInfo, lost: new Promise(() => undefined), queue: {}};
    if (tf.findBackendFactory('machine') != null) tf.removeBackend('machine');
    class Backend extends tf.KernelBackend {
      readonly device = device;
      readonly bufferManager = {};
      runWebGPUProgram(): void {}
      override dispose(): void {}
    }
    tf.registerBackend('machine', () => new Backend());
    await tf.setBackend('machine');
  }
  const tuned = async (machine: Machine): Promise<Tuning> => {
    await become(machine);
    return (await tune(causal(), {queryLength: 64, keyLength: 64, headDim: 16})).tuning;
  };
  let warnings: jasmine.Spy;
  beforeEach(() => (warnings = spyOn(console, 'warn')));
  afterEach(async () => {
    await tf.setBackend('cpu');
    tf.removeBackend('machine');
    if (before === undefined) delete (globalThis as {navigator?: unknown}).navigator;
    else Object.defineProperty(globalThis, 'navigator', before);
  });

  it('of a GPU with a name is for that GPU, in every browser', async () => {
    const tuning = await tuned({info: NAMED});
    expect(tuning.device).toBe('nvidia hopper');
    await become({info: NAMED, browser: 'another', memory: 2 ** 30});
    expect(applyTuning(tuning)).toBeTrue();
    await become({info: {...NAMED, architecture: 'turing'}});
    expect(applyTuning(tuning)).toBeFalse();
  });

  for (const info of [UNNAMED, {}, {vendor: 'nvidia'}, {vendor: 'nvidia', device: 'Unknown'}]) {
    it(`of a GPU that says ${JSON.stringify(info)} is for one of the same limits, features and browser`, async () => {
      const machine = {info, features: ['shader-f16', 'timestamp-query']};
      const tuning = await tuned(machine);
      expect(tuning.device).toContain('without a name');
      await become({...machine, features: ['timestamp-query', 'shader-f16']});
      expect(applyTuning(JSON.parse(JSON.stringify(tuning)) as Tuning)).toBeTrue();
      expect(warnings).not.toHaveBeenCalled();
      for (const other of [{memory: 2 ** 29}, {features: ['timestamp-query']}, {browser: 'Firefox on Windows'}, {info: NAMED}]) {
        await become({...machine, ...other});
        expect(applyTuning(tuning)).withContext(JSON.stringify(other)).toBeFalse();
      }
      expect(warnings).toHaveBeenCalledTimes(4);
    });
  }

  it('of an unknown GPU, from before they were told apart, is left aside', async () => {
    const tuning = await tuned({info: UNNAMED});
    expect(applyTuning({...tuning, device: 'unknown'})).toBeFalse();
    expect(warnings).toHaveBeenCalledOnceWith(
      jasmine.stringMatching(/it was made on 'unknown', and this is 'a GPU without a name/),
    );
  });
});
