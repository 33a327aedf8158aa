import * as tf from '@tensorflow/tfjs-core';
import {createWebGPUBackend, SplatError, type WebGPUBackendOptions} from '../../src/index.js';
import {grantedFeatures} from '../../src/runtime/host/granted.js';
import {readLanes} from '../../src/runtime/open/probe_lanes.js';

const CORE = {
  maxComputeWorkgroupStorageSize: 16384,
  maxComputeWorkgroupsPerDimension: 65535,
  maxStorageBufferBindingSize: 2 ** 27,
  maxBufferSize: 2 ** 28,
  maxComputeWorkgroupSizeX: 256,
  maxComputeInvocationsPerWorkgroup: 256,
  maxStorageBuffersPerShaderStage: 8,
};
const LARGE = {
  maxComputeWorkgroupStorageSize: 49152,
  maxComputeWorkgroupsPerDimension: 65535,
  maxStorageBufferBindingSize: 2 ** 31 - 4,
  maxBufferSize: 2 ** 32,
  maxComputeWorkgroupSizeX: 1024,
  maxComputeInvocationsPerWorkgroup: 1024,
  maxStorageBuffersPerShaderStage: 16,
};
const MATRIX = {componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16};
const ALL = ['timestamp-query', 'bgra8unorm-storage', 'shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];

type Request = {requiredFeatures: string[]; requiredLimits: Record<string, number>};

/** A GPU as the specs need it: its adapters say one thing, its devices may do another. */
interface FakeGPU {
  features: string[];
  limits: Record<string, number>;
  info: Record<string, unknown>;
  /** Why no device comes of a request, if none does. */
  refuses: (request: Request) => string | null;
  /** A device that is lost from the start when asked like this. */
  loses: (request: Request) => boolean;
  /** What invocation `index` of a probe saw of lanes, where it is not what it should be. */
  shuffled: boolean;
  /** What becomes of casts between halves and words. */
  casts: 'right' | 'wrong' | 'refused';
  requests: Request[];
  powers: (string | undefined)[];
  devices: FakeDevice[];
}

let gpu: FakeGPU;

class FakeDevice {
  readonly features: Set<string>;
  readonly limits: Record<string, number>;
  readonly lost: Promise<{reason: string; message: string}>;
  readonly queue = {onSubmittedWorkDone: () => Promise.resolve(), submit: (_: unknown[]): void => undefined};
  destroyed = false;
  /** Nothing works any more; `lose` tells of it. */
  dead = false;
  lose!: (message: string) => void;
  #code = '';

  constructor({requiredFeatures, requiredLimits}: Request) {
    this.features = new Set(requiredFeatures);
    this.limits = {...CORE, ...requiredLimits};
    this.lost = new Promise((resolve) => (this.lose = (message) => resolve({reason: 'unknown', message})));
  }
  destroy(): void {
    this.destroyed = true;
    this.lose('destroyed');
  }
  pushErrorScope(): void {}
  popErrorScope = () => Promise.resolve(null);
  createShaderModule({code}: {code: string}): unknown {
    this.#code = code;
    const line = 1 + code.split('\n').findIndex((text) => text.includes('bitcast<vec2u>'));
    const message = {type: 'error', message: 'Unable to cast', lineNum: line, linePos: 1};
    return {getCompilationInfo: () => Promise.resolve({messages: this.#isRefused ? [message] : []})};
  }
  get #isRefused(): boolean {
    return gpu.casts === 'refused' && this.#code.includes('bitcast');
  }
  createComputePipelineAsync = () =>
    this.#isRefused ? Promise.reject(new Error('Parsing error')) : Promise.resolve({getBindGroupLayout: () => null});
  createBindGroup = () => null;
  createBuffer = () => ({
    mapAsync: () => (this.dead ? Promise.reject(new Error('Buffer unmapped')) : Promise.resolve()),
    getMappedRange: () => this.#seen().buffer,
    destroy: () => undefined,
  });
  createCommandEncoder = () => ({
    beginComputePass: () => ({setPipeline() {}, setBindGroup() {}, dispatchWorkgroups() {}, end() {}}),
    copyBufferToBuffer: () => undefined,
    finish: () => null,
  });
  #seen(): Uint32Array {
    const workgroup = Number(/@workgroup_size\((\d+)\)/.exec(this.#code)![1]);
    if (!this.#code.includes('bitcast')) return lanes(workgroup, Number(gpu.info.subgroupMaxSize), gpu.shuffled);
    return Uint32Array.from({length: workgroup}, (_, index) => (gpu.casts === 'wrong' && index === 9 ? 0 : 1));
  }
}

/** What the probe reads where all subgroups have `size` invocations. */
function lanes(workgroup: number, size: number, shuffled = false): Uint32Array {
  const masks = Array.from({length: Math.log2(Number(gpu.info.subgroupMinSize))}, (_, i) => 2 ** i);
  return Uint32Array.from(
    Array.from({length: workgroup}, (_, index) => {
      const lane = shuffled ? (index * 2) % size : index % size;
      return [size, lane, index - (index % size), ...masks.map((mask) => index ^ mask)];
    }).flat(),
  );
}

/** As `isWebGPU` knows one. */
class FakeBackend extends tf.KernelBackend {
  readonly bufferManager = {};
  disposed = 0;
  tensors = 0;
  constructor(
    readonly device: FakeDevice,
    readonly adapterInfo: unknown,
  ) {
    super();
  }
  runWebGPUProgram(): void {}
  answer!: (values: unknown) => void;
  override read({wait}: {wait?: boolean}): Promise<tf.backend_util.BackendValues> {
    if (wait !== true) return Promise.reject(new Error('Buffer unmapped'));
    return new Promise((resolve) => (this.answer = resolve as FakeBackend['answer']));
  }
  override time(_: () => void): Promise<tf.BackendTimingInfo> {
    return Promise.reject(new Error('Buffer unmapped'));
  }
  override numDataIds(): number {
    return this.tensors;
  }
  override dispose(): void {
    this.disposed++;
  }
}

/** As that of tfjs-backend-webgpu. */
async function stockFactory(): Promise<FakeBackend> {
  const adapter = (await navigator.gpu.requestAdapter())!;
  const device = await adapter.requestDevice({requiredFeatures: [], requiredLimits: {maxBufferSize: adapter.limits.maxBufferSize}});
  return new FakeBackend(device as unknown as FakeDevice, adapter.info);
}

function navigatorGPU(): GPU {
  return {
    requestAdapter: ({powerPreference}: {powerPreference?: string} = {}) => {
      gpu.powers.push(powerPreference);
      return Promise.resolve({
        features: new Set(gpu.features),
        limits: gpu.limits,
        info: gpu.info,
        requestDevice: (request: Request) => {
          gpu.requests.push(request);
          const refusal = gpu.refuses(request);
          if (refusal !== null) return Promise.reject(new Error(refusal));
          const device = new FakeDevice(request);
          if (gpu.loses(request)) device.lose('no memory left');
          gpu.devices.push(device);
          return Promise.resolve(device);
        },
      });
    },
  } as unknown as GPU;
}

const extrasOf = ({requiredFeatures}: Request): string[] => requiredFeatures.slice(2);
const backendOf = async (name: string): Promise<FakeBackend> => {
  await tf.setBackend(name);
  return tf.findBackend(name) as FakeBackend;
};

describe('createWebGPUBackend', () => {
  const world = globalThis as unknown as Record<string, unknown>;
  const names = ['navigator', 'GPUBufferUsage', 'GPUMapMode'];
  const before = names.map((name) => Object.getOwnPropertyDescriptor(world, name));
  const put = (name: string, value: unknown): void =>
    void Object.defineProperty(world, name, {value, configurable: true, writable: true});
  let warnings: jasmine.Spy;

  beforeEach(() => {
    gpu = {
      features: ALL,
      limits: LARGE,
      info: {vendor: 'acme', architecture: 'rocket', subgroupMinSize: 32, subgroupMaxSize: 32, subgroupMatrixConfigs: [MATRIX]},
      refuses: () => null,
      loses: () => false,
      shuffled: false,
      casts: 'right',
      requests: [],
      powers: [],
      devices: [],
    };
    put('navigator', {gpu: navigatorGPU()});
    put('GPUBufferUsage', {STORAGE: 128, COPY_SRC: 4, COPY_DST: 8, MAP_READ: 1});
    put('GPUMapMode', {READ: 1});
    tf.registerBackend('webgpu', stockFactory, 3);
    tf.registerKernel({kernelName: 'Fake', backendName: 'webgpu', kernelFunc: () => []});
    warnings = spyOn(console, 'warn');
  });
  afterEach(() => {
    for (const name of ['webgpu', 'splat']) {
      if (tf.findBackendFactory(name) != null) tf.removeBackend(name);
    }
    for (const {kernelName} of tf.getKernelsForBackend('splat')) tf.unregisterKernel(kernelName, 'splat');
    tf.unregisterKernel('Fake', 'webgpu');
    names.forEach((name, i) => (before[i] === undefined ? delete world[name] : Object.defineProperty(world, name, before[i]!)));
  });

  const refused = (options: unknown, message: RegExp): Promise<void> =>
    expectAsync(createWebGPUBackend(options as WebGPUBackendOptions)).toBeRejectedWithError(SplatError, message) as Promise<void>;

  // The first: a class that was seen once is remembered.
  it('needs the backend package', async () => {
    tf.removeBackend('webgpu');
    await refused({}, /^backend 'webgpu': found none, .*Import that package first/);
    expect(gpu.requests).toEqual([]);
  });

  describe('asks for', () => {
    it('what TensorFlow.js asks for and for all but tensor cores, on the fast GPU', async () => {
      await createWebGPUBackend();
      expect(gpu.requests).toEqual([
        {
          requiredFeatures: ['timestamp-query', 'bgra8unorm-storage', 'shader-f16', 'subgroups'],
          requiredLimits: {...LARGE, maxStorageBuffersPerShaderStage: 10},
        },
      ]);
      expect(gpu.powers).toEqual(['high-performance']);
    });

    it('no more than the adapter has and the options say', async () => {
      gpu.features = ALL.filter((feature) => feature !== 'shader-f16' && feature !== 'timestamp-query');
      gpu.limits = {...LARGE, maxStorageBuffersPerShaderStage: 9};
      await createWebGPUBackend({subgroups: false, powerPreference: 'low-power'});
      expect(gpu.requests[0]!.requiredFeatures).toEqual(['bgra8unorm-storage']);
      expect(gpu.requests[0]!.requiredLimits.maxStorageBuffersPerShaderStage).toBe(9);
      expect(gpu.powers).toEqual(['low-power']);
    });

    it('the other GPU where the flag of TensorFlow.js says so', async () => {
      spyOn(tf.env(), 'getFlags').and.returnValue({WEBGPU_USE_LOW_POWER_GPU: true});
      await createWebGPUBackend();
      await createWebGPUBackend({powerPreference: 'high-performance'});
      expect(gpu.powers).toEqual(['low-power', 'high-performance']);
    });
  });

  describe('reports', () => {
    it('what was granted, also to the runtime', async () => {
      const report = await createWebGPUBackend({name: 'splat', tensorCores: true});
      expect(report).toEqual({
        name: 'splat',
        adapter: 'acme rocket',
        float16: true,
        subgroups: {min: 32, max: 32},
        tensorCores: [MATRIX],
        refused: [],
      });
      expect(Object.isFrozen(report) && Object.isFrozen(report.tensorCores) && Object.isFrozen(report.refused)).toBeTrue();
      const {device} = await backendOf('splat');
      expect(grantedFeatures(device as unknown as GPUDevice)).toEqual({
        float16: true,
        subgroups: {min: 32, max: 32},
        matrixConfigs: [MATRIX],
      });
      expect(warnings).not.toHaveBeenCalled();
    });

    it('nothing granted for other devices', async () => {
      const {device} = await backendOf('webgpu');
      expect(grantedFeatures(device as unknown as GPUDevice)).toEqual({float16: false, subgroups: null, matrixConfigs: []});
    });

    it('what the adapter lacks, without a warning for defaults', async () => {
      gpu.features = [];
      const report = await createWebGPUBackend();
      expect(report.float16).toBeFalse();
      expect(report.subgroups).toBeNull();
      expect(report.refused).toEqual([
        "float16: the adapter has no feature 'shader-f16'.",
        "subgroups: the adapter has no feature 'subgroups'.",
      ]);
      expect(warnings).not.toHaveBeenCalled();
    });

    it('what the adapter lacks, with one warning for what was named', async () => {
      gpu.features = ['subgroups'];
      const report = await createWebGPUBackend({float16: true, tensorCores: true});
      expect(report.refused).toHaveSize(2);
      expect(warnings).toHaveBeenCalledOnceWith(
        jasmine.stringMatching(/^tfjs-splat: .*float16: the adapter has no .*tensorCores: the adapter has no/),
      );
    });

    const cases: [string, () => WebGPUBackendOptions, RegExp][] = [
      ['without float16', () => ({tensorCores: true, float16: false}), /^tensorCores: they need float16 and subgroups\.$/],
      [
        'with subgroups of several sizes',
        () => {
          gpu.info = {...gpu.info, subgroupMinSize: 8};
          return {tensorCores: true};
        },
        /^tensorCores: .* here are 8 to 32\.$/,
      ],
      [
        'without shapes',
        () => {
          gpu.info = {...gpu.info, subgroupMatrixConfigs: undefined};
          return {tensorCores: true};
        },
        /^tensorCores: the adapter names no shapes/,
      ],
    ];
    for (const [what, prepare, sentence] of cases) {
      it(`no tensor cores ${what}`, async () => {
        const report = await createWebGPUBackend(prepare());
        expect(report.tensorCores).toEqual([]);
        expect(report.refused).toEqual([jasmine.stringMatching(sentence)]);
        expect(gpu.requests[0]!.requiredFeatures).not.toContain('chromium-experimental-subgroup-matrix');
        expect(warnings).toHaveBeenCalledTimes(1);
      });
    }

    it('the words of older browsers', async () => {
      put('navigator', {
        gpu: {
          requestAdapter: async () => {
            const adapter = (await navigatorGPU().requestAdapter())!;
            const {subgroupMinSize, subgroupMaxSize, vendor} = gpu.info;
            return {
              ...adapter,
              info: undefined,
              limits: {...LARGE, minSubgroupSize: subgroupMinSize, maxSubgroupSize: subgroupMaxSize},
              requestAdapterInfo: () => Promise.resolve({vendor}),
            };
          },
        },
      });
      const report = await createWebGPUBackend();
      expect(report.adapter).toBe('acme');
      expect(report.subgroups).toEqual({min: 32, max: 32});
    });
  });

  describe('where adapters promise what devices do not keep', () => {
    const MATRIX_FEATURE = 'chromium-experimental-subgroup-matrix';

    it('goes on without tensor cores', async () => {
      gpu.refuses = ({requiredFeatures}) => (requiredFeatures.includes(MATRIX_FEATURE) ? 'Unsupported feature' : null);
      const report = await createWebGPUBackend({tensorCores: true});
      expect(report.float16 && report.subgroups !== null).toBeTrue();
      expect(report.tensorCores).toEqual([]);
      expect(report.refused).toEqual(['tensorCores: no device was to be had with it ("Unsupported feature").']);
      expect(warnings).toHaveBeenCalledOnceWith(jasmine.stringContaining('"Unsupported feature"'));
    });

    it('goes on without features', async () => {
      gpu.refuses = ({requiredFeatures}) => (requiredFeatures.includes('shader-f16') ? 'Unsupported feature' : null);
      const report = await createWebGPUBackend({tensorCores: true});
      expect(gpu.requests.map(extrasOf)).toEqual([['shader-f16', 'subgroups', MATRIX_FEATURE], ['shader-f16', 'subgroups'], []]);
      expect(gpu.requests.at(-1)!.requiredLimits.maxBufferSize).toBe(LARGE.maxBufferSize);
      expect(report.refused.map((sentence) => sentence.split(':')[0])).toEqual(['float16', 'subgroups', 'tensorCores']);
      expect(warnings).toHaveBeenCalledTimes(1);
    });

    it('goes on with core limits, and keeps features', async () => {
      gpu.refuses = ({requiredLimits}) => (Number(requiredLimits.maxBufferSize) > CORE.maxBufferSize ? 'Required limit' : null);
      const report = await createWebGPUBackend();
      expect(report.float16 && report.subgroups !== null).toBeTrue();
      expect(report.refused).toEqual(['raised limits: no device was to be had with them ("Required limit").']);
      expect(warnings).toHaveBeenCalledTimes(1);
      const {device} = await backendOf('webgpu');
      expect(device.limits).toEqual(CORE);
    });

    it('goes on when a device is lost from the start', async () => {
      gpu.loses = ({requiredFeatures}) => requiredFeatures.includes('subgroups');
      const report = await createWebGPUBackend();
      expect(report.refused[0]).toBe('float16: no device was to be had with it ("no memory left").');
      expect((await backendOf('webgpu')).device).toBe(gpu.devices.at(-1)!);
      expect(warnings).toHaveBeenCalledTimes(1);
    });

    it('grants no subgroups whose lanes are elsewhere', async () => {
      gpu.shuffled = true;
      const report = await createWebGPUBackend({tensorCores: true});
      expect(report.float16).toBeTrue();
      expect(report.subgroups).toBeNull();
      expect(report.tensorCores).toEqual([]);
      expect(report.refused).toEqual([
        jasmine.stringMatching(/^subgroups: its lanes are not in the order/),
        'tensorCores: they need float16 and subgroups.',
      ]);
      expect(warnings).toHaveBeenCalledTimes(1);
      const {device} = await backendOf('webgpu');
      expect(grantedFeatures(device as unknown as GPUDevice).subgroups).toBeNull();
    });

    it('grants no subgroups of impossible sizes', async () => {
      for (const [subgroupMinSize, subgroupMaxSize] of [
        [0, 0],
        [2, 32],
        [32, 16],
        [12, 12],
        [32, 256],
      ]) {
        gpu.info = {...gpu.info, subgroupMinSize, subgroupMaxSize};
        const report = await createWebGPUBackend();
        expect(report.subgroups).toBeNull();
        expect(report.refused).toEqual([
          jasmine.stringContaining(`subgroups have ${subgroupMinSize} to ${subgroupMaxSize} invocations`),
        ]);
      }
    });

    it('grants nothing whose probe fails', async () => {
      put('GPUMapMode', undefined);
      const report = await createWebGPUBackend();
      expect(report.refused).toEqual([
        jasmine.stringMatching(/^float16: the probe of its casts between halves and words failed \("/),
        jasmine.stringMatching(/^subgroups: the probe of its lanes failed \("/),
      ]);
    });

    it('grants no halves that it cannot cast, without a warning for the default', async () => {
      gpu.casts = 'refused';
      const report = await createWebGPUBackend();
      expect(report.float16).toBeFalse();
      expect(report.subgroups).toEqual({min: 32, max: 32});
      expect(report.refused).toEqual([
        jasmine.stringMatching(
          /^float16: the probe of its casts between halves and words failed \("Parsing error Unable to cast \(line 8: let written = bitcast<vec2u>/,
        ),
      ]);
      const {device} = await backendOf('webgpu');
      expect(device.features).toContain('shader-f16');
      expect(grantedFeatures(device as unknown as GPUDevice).float16).toBeFalse();
      expect(warnings).not.toHaveBeenCalled();
      await createWebGPUBackend({float16: true});
      expect(warnings).toHaveBeenCalledOnceWith(jasmine.stringContaining('float16: the probe of its casts'));
    });

    it('grants no halves whose casts give other bits, and no tensor cores then', async () => {
      gpu.casts = 'wrong';
      const report = await createWebGPUBackend({tensorCores: true});
      expect(report.float16).toBeFalse();
      expect(report.tensorCores).toEqual([]);
      expect(report.refused).toEqual([
        'float16: its casts between halves and words give wrong bits, the first at 9.',
        'tensorCores: they need float16 and subgroups.',
      ]);
    });

    it('says why when there is no device at all', async () => {
      gpu.refuses = () => 'out of luck';
      await refused({}, /^WebGPU device: found none, also without features and raised limits \("out of luck"\)/);
      expect(gpu.requests.at(-1)).toEqual({requiredFeatures: [], requiredLimits: {}});
      expect(tf.findBackendFactory('webgpu')).toBe(stockFactory);
    });
  });

  describe('refuses', () => {
    const cases: [string, unknown, RegExp][] = [
      ['options that are none', 7, /^options: found 7, expected an object/],
      ['unknown options', {tensorcore: true}, /^option 'tensorcore': .*Did you mean 'tensorCores'\?$/],
      ['unlikely options', {colour: 1}, /^option 'colour': .*Remove it\.$/],
      ['a feature that is no boolean', {float16: 'yes'}, /^option float16: found the text 'yes', expected true or false/],
      ['a listener that is no function', {onLost: 'reload'}, /^option onLost: found the text 'reload', expected a function/],
      ['an unknown power', {powerPreference: 'high-preformance'}, /^option powerPreference: .*Did you mean 'high-performance'\?$/],
      ['a name that is no text', {name: 5}, /^option name: found 5/],
      ['an empty name', {name: ''}, /^option name/],
      ['a name that objects have', {name: 'constructor'}, /^option name/],
      [
        'a name with _',
        {name: 'my_gpu'},
        /^option name: found the text 'my_gpu', expected a name without '_'\. TensorFlow\.js takes/,
      ],
      ['the name of another backend', {name: 'wasm'}, /^option name: .*a name that no other backend has/],
    ];
    for (const [what, options, message] of cases) it(what, () => refused(options, message));

    it('the name of a backend that somebody else registered', async () => {
      tf.registerBackend('theirs', () => new FakeBackend(null as never, null));
      await refused({name: 'theirs'}, /a name that no other backend has/);
      tf.removeBackend('theirs');
    });

    it('a browser without WebGPU', async () => {
      put('navigator', {});
      await refused({}, /^WebGPU: found no navigator\.gpu, .*'wasm'/);
      put('navigator', {gpu: {requestAdapter: () => Promise.resolve(null)}});
      await refused({}, /^WebGPU adapter: found none \(requestAdapter gives null\)/);
      put('navigator', {gpu: {requestAdapter: () => Promise.reject(new Error('blocked'))}});
      await refused({}, /^WebGPU adapter: found none \(blocked\)/);
    });

    it('to lose tensors', async () => {
      const stock = await backendOf('webgpu');
      stock.tensors = 2;
      await refused({}, /^backend 'webgpu': found one that holds 2 tensors, .*pass another name/);
      expect(stock.disposed).toBe(0);
      expect(tf.findBackend('webgpu')).toBe(stock);
      // The device that was opened for nothing.
      expect(gpu.devices.map(({destroyed}) => destroyed)).toEqual([false, true]);
      await createWebGPUBackend({name: 'splat'});
      expect(stock.disposed).toBe(0);
      stock.tensors = 0;
      await createWebGPUBackend();
      expect(stock.disposed).toBe(1);
    });
  });

  describe('registers', () => {
    it('all kernels under a second name, twice without a warning', async () => {
      await createWebGPUBackend({name: 'splat'});
      const kernels = tf.getKernelsForBackend('webgpu').map(({kernelName}) => kernelName);
      expect(kernels).toContain('SparseAttention');
      expect(tf.getKernelsForBackend('splat').map(({kernelName}) => kernelName)).toEqual(kernels);
      expect(tf.findBackendFactory('webgpu')).toBe(stockFactory);
      tf.removeBackend('splat');
      await createWebGPUBackend({name: 'splat'});
      await createWebGPUBackend({name: 'splat'});
      expect(warnings).not.toHaveBeenCalled();
    });

    it('in the place of the stock backend, whose factory opens no device for that', async () => {
      const {requestAdapter} = navigator.gpu;
      await createWebGPUBackend();
      expect(gpu.devices).toHaveSize(1);
      expect(navigator.gpu.requestAdapter).toBe(requestAdapter);
      const backend = await backendOf('webgpu');
      expect(backend).toBeInstanceOf(FakeBackend);
      expect(backend.device).toBe(gpu.devices[0]!);
      expect(backend.adapterInfo).toBe(gpu.info);
      expect(warnings).not.toHaveBeenCalled();
    });

    it('after an initialisation that is under way', async () => {
      const pending = tf.setBackend('webgpu');
      await createWebGPUBackend();
      expect(await pending).toBeTrue();
      expect((await backendOf('webgpu')).device).toBe(gpu.devices[1]!);
    });

    it('again after the loss of the device', async () => {
      await createWebGPUBackend();
      const first = await backendOf('webgpu');
      first.tensors = 3;
      first.device.lose('unplugged');
      await createWebGPUBackend();
      expect(first.disposed).toBe(1);
      expect((await backendOf('webgpu')).device).toBe(gpu.devices[1]!);
    });

    it('again after tf.removeBackend, which destroys the device', async () => {
      await createWebGPUBackend();
      const factory = tf.findBackendFactory('webgpu');
      const {device} = await backendOf('webgpu');
      tf.removeBackend('webgpu');
      expect(device.destroyed).toBeTrue();
      await createWebGPUBackend();
      expect((await backendOf('webgpu')).device).toBe(gpu.devices[1]!);

      tf.removeBackend('webgpu');
      tf.registerBackend('webgpu', factory);
      expect((await backendOf('webgpu')).device).toBe(gpu.devices[2]!);
    });

    it('another device when the first is lost before its use', async () => {
      await createWebGPUBackend({name: 'splat'});
      gpu.devices[0]!.lose('unplugged');
      await Promise.resolve();
      expect((await backendOf('splat')).device).toBe(gpu.devices[1]!);
    });
  });

  describe('makes reads and times', () => {
    /** The read fails of a loss that is told later. */
    const loseAfter = async (milliseconds: number): Promise<FakeBackend> => {
      await createWebGPUBackend({name: 'splat'});
      const {device} = await backendOf('splat');
      device.dead = true;
      setTimeout(() => device.lose('unplugged'), milliseconds);
      return tf.findBackend('splat') as FakeBackend;
    };

    for (const milliseconds of [0, 120, 600]) {
      it(`say that the device is lost, when that is told ${milliseconds} ms later`, async () => {
        const backend = await loseAfter(milliseconds);
        for (const work of [backend.read({}), backend.time(() => undefined)]) {
          await expectAsync<unknown, unknown>(work).toBeRejectedWithError(
            SplatError,
            /^WebGPU device: found a lost one \(unplugged\)/,
          );
        }
      });
    }

    it('fail at once, with their own words, on a living device', async () => {
      await createWebGPUBackend({name: 'splat'});
      const start = performance.now();
      await expectAsync((await backendOf('splat')).read({})).toBeRejectedWithError('Buffer unmapped');
      expect(performance.now() - start).toBeLessThan(1000);
    });

    it('keep the queue moving while they wait', async () => {
      await createWebGPUBackend({name: 'splat'});
      const backend = await backendOf('splat');
      const submit = spyOn(backend.device.queue, 'submit');
      // As Firefox: what is done is told at the next submit.
      submit.and.callFake(() => backend.answer('told'));
      expect<unknown>(await backend.read({wait: true})).toBe('told');
      expect(submit.calls.allArgs()).toEqual([[[]]]);
    });
  });

  describe('knows lanes that', () => {
    const sizes = {min: 8, max: 32};
    beforeEach(() => (gpu.info = {subgroupMinSize: 8}));

    it('are in order, in subgroups of any promised size', () => {
      for (const size of [8, 16, 32]) expect(readLanes(lanes(64, size), 64, sizes)).toBeNull();
      expect(readLanes(lanes(64, 128), 64, {min: 8, max: 128})).toBeNull();
    });

    it('are of a size that was not promised', () => {
      expect(readLanes(lanes(64, 64), 64, sizes)).toMatch(/has 64 invocations where the adapter promises 8 to 32/);
      expect(readLanes(lanes(64, 4), 64, sizes)).toMatch(/has 4 invocations/);
      expect(readLanes(new Uint32Array(64 * 6), 64, sizes)).toMatch(/has 0 invocations/);
    });

    it('are elsewhere', () => {
      const names = ['subgroup_size', 'subgroup_invocation_id', 'subgroupBroadcastFirst'];
      names.push(...[1, 2, 4].map((mask) => `subgroupShuffleXor by ${mask}`));
      names.forEach((name, column) => {
        const seen = lanes(128, 16);
        seen[77 * 6 + column]! ^= 2;
        expect(readLanes(seen, 128, sizes)).toContain(
          `in a workgroup of 128, ${name} of invocation 77 is ${seen[77 * 6 + column]}`,
        );
      });
    });
  });
});
