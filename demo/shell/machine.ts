import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgpu';
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import type {Device} from '../../src/index.js';
import {waitFor} from '../../src/runtime/host/wait.js';
import {describe, NO_WEBGPU} from './adapter.js';
import {at, parameters} from './page.js';

/** What a page that computes has to know of the computer it runs on. */
export interface Machine {
  readonly backend: 'webgpu' | 'wasm' | 'cpu';
  /** Of the GPU, or of the backend that does without one. */
  readonly name: string;
  /** A sentence for the reader. */
  readonly description: string;
  /** A CPU plays the GPU, or there is none: minutes where a GPU takes milliseconds. */
  readonly slow: boolean;
  /** For the planner; undefined without WebGPU. */
  readonly device?: Device;
}

/** Activates the best backend of this browser (`?backend=` names another) and says in `#machine` which it is. */
export async function findMachine(): Promise<Machine> {
  const asked = parameters.get('backend') ?? 'webgpu';
  const machine = (asked === 'webgpu' ? await webgpu() : null) ?? (await withoutWebGPU(asked));
  at('machine').textContent = machine.description;
  at('machine').classList.toggle('lacking', machine.backend !== 'webgpu');
  return machine;
}

async function webgpu(): Promise<Machine | null> {
  // Without an adapter, setBackend would complain on the console and then say no.
  if (!('gpu' in navigator) || (await navigator.gpu.requestAdapter().catch(() => null)) === null) return null;
  if (!(await tf.setBackend('webgpu'))) return null;
  await tf.ready();
  const backend = webgpuBackend();
  const read = backend.read.bind(backend);
  // In Firefox every read would else take 100 ms.
  backend.read = (id) => waitFor(backend.queue, read(id));
  const {name, where, software, device: limits} = describe(backend.device.adapterInfo, backend.device.limits);
  return {
    backend: 'webgpu',
    name,
    description: `WebGPU runs on ${where}.${software ? ' Times compare the ways to compute; they say nothing about a GPU.' : ''}`,
    slow: software,
    device: limits,
  };
}

/** The stock backend. Its device, limits and buffer pool are public. */
export const webgpuBackend = (): WebGPUBackend => tf.backend() as WebGPUBackend;

async function withoutWebGPU(asked: string): Promise<Machine> {
  const backend = asked !== 'cpu' && (await startWasm()) ? 'wasm' : 'cpu';
  if (backend === 'cpu') await tf.setBackend('cpu');
  await tf.ready();
  const why = asked === 'webgpu' ? `${NO_WEBGPU} Until then ` : '';
  const what = `the page computes the same on TensorFlow.js's ${backend} backend, at small sizes.`;
  return {
    backend,
    name: `the ${backend} backend`,
    description: why + (why ? what : what[0]!.toUpperCase() + what.slice(1)),
    slow: true,
  };
}

async function startWasm(): Promise<boolean> {
  const {setWasmPaths} = await import('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(new URL('../wasm/', document.baseURI).href);
  return tf.setBackend('wasm').catch(() => false);
}

/** Sends off what TensorFlow.js has recorded so far. */
export function submit({backend}: Machine): void {
  // The others compute as they are called.
  if (backend !== 'webgpu') return;
  const webgpu = webgpuBackend();
  // submitQueue() needs an encoder, and every pass in it ended.
  webgpu.ensureCommandEncoderReady();
  webgpu.endComputePassEncoder();
  webgpu.submitQueue();
}

/** Resolves when the queue has done all that was submitted. */
export async function untilDone(): Promise<void> {
  const {queue} = webgpuBackend();
  await waitFor(queue, queue.onSubmittedWorkDone());
}

/** Resolves when the backend has done everything that was asked of it. */
export async function finish(machine: Machine): Promise<void> {
  submit(machine);
  if (machine.backend === 'webgpu') await untilDone();
}
