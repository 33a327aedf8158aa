import * as tf from '@tensorflow/tfjs-core';
import type {KernelBackend} from '@tensorflow/tfjs-core';
import {oneOf, readOptions, refuse, say, type Given, type NamesOf, type OptionWords} from '../../support/index.js';
import type {MatrixConfig} from '../../pure.js';
import {adapterText} from '../host/adapter_text.js';
import {Host} from '../host/backend.js';
import {registerKernelFor} from '../call/kernel.js';
import {EXTRA_FEATURES, gpuOfNavigator, openDevice, type DeviceWishes, type OpenDevice} from './open_device.js';
import {BACKENDS} from '../call/register.js';

/** What to ask the GPU for; each feature is granted where the adapter has it. */
export interface WebGPUBackendOptions {
  /** The name to register, without `_`. Default `webgpu`, which replaces the stock backend. */
  readonly name?: string | null | undefined;
  /** Numbers of 16 bits in shaders. Default true. */
  readonly float16?: boolean | null | undefined;
  /** Exchange of numbers between neighbouring invocations. Default true. */
  readonly subgroups?: boolean | null | undefined;
  /**
   * Multiplication of matrices in hardware; needs float16 and subgroups. Default false: it is an experiment of browsers, behind
   * `--enable-unsafe-webgpu` in Chrome.
   */
  readonly tensorCores?: boolean | null | undefined;
  /** Default `high-performance`, or `low-power` where the flag WEBGPU_USE_LOW_POWER_GPU of TensorFlow.js is set. */
  readonly powerPreference?: 'high-performance' | 'low-power' | null | undefined;
  /**
   * Called when the device is lost: a driver that restarts, a GPU that is unplugged, a system that runs out of memory. From then on every
   * call of this package on the backend throws, and its tensors are gone. Called once for each device that the backend gets, and not when
   * the backend is removed. Nobody waits for a promise that it returns.
   */
  readonly onLost?: ((loss: DeviceLoss) => void | Promise<void>) | null | undefined;
}

/** What the browser says of a lost device. */
export interface DeviceLoss {
  /** `destroyed` when a program did it, else `unknown`. */
  readonly reason: 'destroyed' | 'unknown';
  /** For people; may be empty. */
  readonly message: string;
}

/** What the device of a new backend has. */
export interface BackendReport {
  readonly name: string;
  /** Vendor, architecture and what else the browser tells of the GPU. */
  readonly adapter: string;
  readonly float16: boolean;
  /** The sizes that subgroups may have; null without subgroups. */
  readonly subgroups: {readonly min: number; readonly max: number} | null;
  /** The shapes of matrices that tensor cores multiply; empty without them. */
  readonly tensorCores: readonly MatrixConfig[];
  /** What was asked for and not granted, with the reason; a sentence each. */
  readonly refused: readonly string[];
}

type OnLost = WebGPUBackendOptions['onLost'];
type Factory = () => KernelBackend | Promise<KernelBackend>;
type BackendClass = new (device: GPUDevice, info?: GPUAdapterInfo) => KernelBackend;

export const BACKEND_NAMES: NamesOf<WebGPUBackendOptions> = {
  name: true,
  powerPreference: true,
  onLost: true,
  float16: true,
  subgroups: true,
  tensorCores: true,
};
const WORDS: OptionWords = {
  all: 'options',
  expected: 'an object such as {tensorCores: true}',
  cure: 'Leave it out for the defaults.',
  one: (name) => `option '${name}'`,
};
const POWER = ['high-performance', 'low-power'] as const;
/** That of the stock backend. */
const PRIORITY = 3;

/** Factories made here. What others registered under a name of their own is not ours to replace. */
const ours = new WeakSet<Factory>();
/** Remembered, because after tf.removeBackend('webgpu') nothing in TensorFlow.js leads to the class any more. */
let knownClass: BackendClass | null = null;

/**
 * Registers the WebGPU backend of TensorFlow.js on a device with the features that the stock backend leaves out, each where the adapter
 * has it. All kernels of TensorFlow.js and of this package run on it; without the features they run as on the stock backend. As after
 * `tf.registerBackend`, activating it is left to you:
 *
 * ```js
 * const report = await createWebGPUBackend({tensorCores: true}); // before the first tensor
 * await tf.setBackend(report.name);
 * report.refused; // ["tensorCores: the adapter has no feature 'chromium-experimental-subgroup-matrix'."]
 * ```
 *
 * Under another name it stands beside the stock backend: `await createWebGPUBackend({name: 'splat'})`. Kernels of your own that were
 * registered for 'webgpu' by then are there, too. A feature that was named in the options and is not granted, or that the adapter has and
 * the device does not, makes one warning. `tf.removeBackend(name)` frees everything, the device included.
 *
 * A device can be lost at any time. Called again for the same name, it replaces the backend whose device is lost, the stock one as well:
 *
 * ```js
 * async function start() {
 *   const {name} = await createWebGPUBackend({onLost: () => start()});
 *   await tf.setBackend(name);
 *   model = await tf.loadGraphModel(url); // tensors of the lost device are gone: weights, caches and what was prepared are made anew
 * }
 * ```
 *
 * @returns what was granted and what was not.
 * @throws SplatError (as a rejection) when an option is wrong, when @tensorflow/tfjs-backend-webgpu was not imported, when there is no
 *   GPU, and when a backend of that name still holds tensors, which would be lost.
 */
export async function createWebGPUBackend(given: WebGPUBackendOptions = {}): Promise<BackendReport> {
  const options = readOptions(given, BACKEND_NAMES, WORDS);
  const name = checkName(options.name);
  const wishes = wishesOf(options);
  const onLost = checkOnLost(options.onLost);
  gpuOfNavigator();
  // An initialisation under way would end with its backend in the place of ours.
  await (tf.engine() as unknown as {pendingBackendInit?: Promise<unknown> | null}).pendingBackendInit;
  if (livingClass() === null && knownClass === null && tf.findBackendFactory('webgpu') == null) noClass();

  const opened = await openDevice(wishes);
  try {
    knownClass = livingClass() ?? knownClass ?? (await classFromFactory(opened));
    throwIfTensorsWouldBeLost(name);
  } catch (error) {
    opened.device.destroy();
    throw error;
  }
  register(name, factoryOf(knownClass, opened, wishes, onLost));

  const {info, granted, refused} = opened;
  const {float16, subgroups, matrixConfigs} = granted;
  return Object.freeze({name, adapter: adapterText(info), float16, subgroups, tensorCores: matrixConfigs, refused});
}

function register(name: string, factory: Factory): void {
  if (tf.findBackendFactory(name) != null) tf.removeBackend(name);
  ours.add(factory);
  tf.registerBackend(name, factory, PRIORITY);
  // Not tf.copyRegisteredKernels, which warns of each kernel that an earlier backend of this name has left.
  for (const kernel of tf.getKernelsForBackend('webgpu')) {
    if (tf.getKernel(kernel.kernelName, name) == null) tf.registerKernel({...kernel, backendName: name});
  }
  registerKernelFor(name);
}

/**
 * Gives the backend on the device that is open; called again, after the backend was removed and registered anew, it opens another one.
 */
function factoryOf(backendClass: BackendClass, opened: OpenDevice, wishes: DeviceWishes, onLost: OnLost): Factory {
  let unused: OpenDevice | null = opened;
  // `lost` never rejects, and a device may live as long as the page.
  void opened.device.lost.then(() => (unused = null));
  return () => {
    const ready = unused;
    unused = null;
    // Not a promise where it need not be one: then TensorFlow.js has the backend at once.
    if (ready !== null) return construct(backendClass, ready, onLost);
    return openDevice(wishes).then((again) => construct(backendClass, again, onLost));
  };
}

function construct(backendClass: BackendClass, {device, info}: OpenDevice, onLost: OnLost): KernelBackend {
  const backend = new backendClass(device, info);
  const host = Host.of(backend)!;
  const [read, time, dispose] = [backend.read.bind(backend), backend.time.bind(backend), backend.dispose.bind(backend)];
  // Else a read that waits while the device is lost rejects without a word, and one in Firefox waits for 100 ms.
  backend.read = (id) => host.outcome(read(id));
  backend.time = (run) => host.outcome(time(run));
  let removed = false;
  backend.dispose = () => {
    removed = true;
    dispose();
    // What lives outside of the pool of TensorFlow.js (schedules, pipelines) goes with the device, instead of with the garbage some day.
    device.destroy();
  };
  // Nobody waits for what `onLost` starts; if it fails, the page hears of a rejection that was not handled.
  void device.lost.then(async ({reason, message}) => {
    if (!removed) await onLost?.({reason, message});
  });
  return backend;
}

/** The class of a WebGPU backend that runs. This package must not import it: it is an optional peer, and a global beside script tags. */
function livingClass(): BackendClass | null {
  // Not tf.findBackend: it would start initialising, and until that is done no backend can be used.
  for (const backend of Object.values(tf.engine().registry)) {
    if (Host.of(backend) !== null) return backend.constructor as BackendClass;
  }
  return null;
}

/**
 * The class of what the stock factory makes. Left to itself, the factory would open a device only for this, and fail where the adapter
 * lies about its limits; so it is given an adapter that hands out the device that we have. It asks for its adapter before it first
 * waits: nobody else can meet ours.
 */
async function classFromFactory({device, info}: OpenDevice): Promise<BackendClass> {
  const factory = tf.findBackendFactory('webgpu') ?? noClass();
  const adapter = {features: new Set(), limits: {}, info, requestDevice: () => Promise.resolve(device)};
  const gpu = gpuOfNavigator();
  const before = Object.getOwnPropertyDescriptor(gpu, 'requestAdapter');
  // Not every object lets itself be changed; then the factory opens its own device, which the garbage collector takes.
  const lent = Reflect.defineProperty(gpu, 'requestAdapter', {value: () => Promise.resolve(adapter), configurable: true});
  let making: KernelBackend | Promise<KernelBackend>;
  try {
    making = factory();
  } finally {
    if (lent && before !== undefined) Object.defineProperty(gpu, 'requestAdapter', before);
    else if (lent) delete (gpu as Partial<GPU>).requestAdapter;
  }
  // Not disposed of: it holds nothing yet, and a factory of the user's may give the same one to everybody.
  const backend = await making;
  return Host.of(backend) === null ? noClass() : (backend.constructor as BackendClass);
}

function noClass(): never {
  return refuse(
    "backend 'webgpu'",
    'none',
    'the one that @tensorflow/tfjs-backend-webgpu registers',
    'Import that package first, or load its script; it registers its backend only where navigator.gpu exists by then.',
  );
}

function throwIfTensorsWouldBeLost(name: string): void {
  const backend = tf.engine().registry[name];
  // With a lost device its tensors are lost already, and a new backend is what is needed.
  if (backend === undefined || Host.of(backend)?.lost != null) return;
  const held = backend.numDataIds();
  if (held === 0) return;
  refuse(
    `backend '${name}'`,
    `one that holds ${held} tensor${held === 1 ? '' : 's'}`,
    'none, or one without tensors: they would be lost with it',
    "Call createWebGPUBackend before tensors and models are made, dispose them, or pass another name, {name: 'splat'}.",
  );
}

function checkName(name: unknown = 'webgpu'): string {
  if (typeof name !== 'string' || name === '' || name in {}) {
    refuse('option name', say(name), "a name such as 'splat'", "Leave it out for 'webgpu'.");
  }
  if (name.includes('_')) {
    refuse(
      'option name',
      say(name),
      "a name without '_'",
      "TensorFlow.js takes what stands before the first '_' for the name, and would find no kernels: use '-'.",
    );
  }
  const factory: Factory | null = tf.findBackendFactory(name);
  if (name !== 'webgpu' && (BACKENDS.includes(name) || (factory !== null && !ours.has(factory)))) {
    refuse('option name', say(name), 'a name that no other backend has', "Choose another one, such as 'splat'.");
  }
  return name;
}

function checkOnLost(onLost: unknown): OnLost {
  if (onLost === undefined || typeof onLost === 'function') return onLost as OnLost;
  return refuse(
    'option onLost',
    say(onLost),
    'a function',
    'Leave it out, or pass one such as (loss) => console.warn(loss.message).',
  );
}

function wishesOf(options: Given<WebGPUBackendOptions>): DeviceWishes {
  const defaults = {float16: true, subgroups: true, tensorCores: false};
  for (const extra of EXTRA_FEATURES) {
    const given: unknown = options[extra];
    if (given === undefined || typeof given === 'boolean') continue;
    refuse(`option ${extra}`, say(given), 'true or false', `Leave it out for ${defaults[extra]}.`);
  }
  return {
    extras: new Set(EXTRA_FEATURES.filter((extra) => options[extra] ?? defaults[extra])),
    named: new Set(EXTRA_FEATURES.filter((extra) => options[extra])),
    powerPreference: checkPower(options.powerPreference),
  };
}

function checkPower(power: unknown): GPUPowerPreference {
  // getFlags, because get throws where no copy of tfjs-backend-webgpu has registered the flag.
  if (power === undefined) return tf.env().getFlags()['WEBGPU_USE_LOW_POWER_GPU'] === true ? 'low-power' : 'high-performance';
  return oneOf('option powerPreference', power, POWER, 'Leave it out for high-performance.');
}
