import jasmineRequire from 'jasmine-core/lib/jasmine-core/jasmine.js';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import {setTestEnvs} from '@tensorflow/tfjs-core/dist/jasmine_util';
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import '@tensorflow/tfjs-backend-webgpu';
import {createWebGPUBackend} from '../../src/index.js';
import {RACES, type Granted, type Message, type System} from './messages.js';

/** Loads the file of specs of that name, such as `ops/abs_test`. */
export type SpecFiles = Readonly<Record<string, () => Promise<unknown>>>;

/** What TensorFlow.js puts into the names of specs that run on a backend. */
const ENV = 'webgpu';

const FEATURES = {
  float16: 'shader-f16',
  subgroups: 'subgroups',
  tensorCores: 'chromium-experimental-subgroup-matrix',
} as const;

/**
 * Runs some files of TensorFlow.js' own specs on one backend and tells the parent process of each spec. As in its own set-up for WebGPU,
 * nothing is computed on the CPU because it is small; and no spec may read synchronously, which Node cannot.
 */
export async function runSpecs(files: SpecFiles, system: System, names: readonly string[]): Promise<void> {
  const jasmine = jasmineRequire.core(jasmineRequire);
  const env = jasmine.getEnv();
  Object.assign(globalThis, jasmineRequire.interface(jasmine, env));
  // A software adapter that compiles many pipelines in one spec takes its time.
  jasmine.DEFAULT_TIMEOUT_INTERVAL = 60_000;
  // Specs that use no backend would prove nothing of it.
  const proves = (name: string): boolean => name.includes(` ${ENV} {`) && !RACES.some((race) => name.endsWith(race));
  env.configure({random: false, specFilter: (spec) => proves(spec.getFullName())});

  const granted = system === 'stock' ? null : await ours();
  // Messages arrive in their order, and the last one is waited for.
  void tell({kind: 'ready', adapter: await adapterText(), granted});
  setTestEnvs([{name: ENV, backendName: 'webgpu', flags: {WEBGPU_CPU_FORWARD: false}, isDataSync: false}]);
  for (const name of names) await files[name]!();

  const devices = new Set<GPUDevice>();
  const poor = new Set<GPUDevice>();
  let errors = 0;
  beforeEach(() => {
    Math.random = generator(1);
  });
  // Outermost, so that the backend of the spec is still there: TensorFlow.js makes a new one for each `describe`.
  afterEach(() => {
    const device = (tf.engine().registry['webgpu'] as WebGPUBackend | undefined)?.device;
    if (device === undefined || devices.has(device)) return;
    devices.add(device);
    device.addEventListener('uncapturederror', () => errors++);
    if (granted !== null && !isRich(device, granted)) poor.add(device);
  });
  env.addReporter({
    specStarted: ({fullName}) => void tell({kind: 'started', name: fullName}),
    specDone: ({fullName, status, failedExpectations}) => {
      // Left out by their authors (xit), everywhere.
      if (status !== 'excluded' && status !== 'pending') {
        // As above.
        void tell({kind: 'spec', name: fullName, passed: status === 'passed', why: failedExpectations[0]?.message ?? ''});
      }
    },
  });
  const {failedExpectations = []} = (await env.execute()) as unknown as jasmine.JasmineDoneInfo;
  const outside = failedExpectations.map(({message}) => message);
  await tell({kind: 'done', devices: devices.size, poorDevices: poor.size, errors, outside});
  // Dawn keeps the process alive.
  process.exit();
}

/** Puts the backend of this package in the place of the stock one. */
async function ours(): Promise<Granted> {
  const {features} = (await navigator.gpu.requestAdapter({powerPreference: 'high-performance'}))!;
  const {float16, subgroups, tensorCores, refused} = await createWebGPUBackend({tensorCores: true});
  const has = (feature: string): boolean => features.has(feature);
  return {
    offered: {float16: has(FEATURES.float16), subgroups: has(FEATURES.subgroups), tensorCores: has(FEATURES.tensorCores)},
    given: {float16, subgroups: subgroups !== null, tensorCores: tensorCores.length > 0},
    refused,
  };
}

function isRich({features}: GPUDevice, {given}: Granted): boolean {
  return (Object.keys(FEATURES) as (keyof typeof FEATURES)[]).every((name) => !given[name] || features.has(FEATURES[name]));
}

async function adapterText(): Promise<string> {
  const {vendor, architecture, description} = (await navigator.gpu.requestAdapter({powerPreference: 'high-performance'}))!.info;
  return [vendor, architecture, description].filter(Boolean).join(' ');
}

const tell = (message: Message): Promise<unknown> => new Promise((resolve) => process.send!(message, resolve));

/** Some specs draw numbers; both backends get the same ones. The generator is mulberry32. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
