/** The stock backend of TensorFlow.js, or that of `createWebGPUBackend`. */
export type System = 'stock' | 'splat';
export const SYSTEMS: readonly System[] = ['stock', 'splat'];

/**
 * Specs that are left out. They read a tensor that is disposed of before the answer is there; whether they pass on WebGPU, on either
 * backend, is a race between a timer and a rejected promise.
 */
export const RACES: readonly string[] = [
  '.data() postpones disposal of tensor',
  'calling .data() twice works (2 subscribers to a single read)',
];

type Extras = Readonly<Record<'float16' | 'subgroups' | 'tensorCores', boolean>>;

/** What the adapter has, what `createWebGPUBackend` granted of it, and why not the rest. */
export interface Granted {
  readonly offered: Extras;
  readonly given: Extras;
  readonly refused: readonly string[];
}

/** What a process that runs specs tells its parent. */
export type Message =
  | {readonly kind: 'ready'; readonly adapter: string; readonly granted: Granted | null}
  | {readonly kind: 'started'; readonly name: string}
  | {readonly kind: 'spec'; readonly name: string; readonly passed: boolean; readonly why: string}
  | {
      readonly kind: 'done';
      /** Devices that specs ran on, and those of them that lack what was granted. */
      readonly devices: number;
      readonly poorDevices: number;
      /** WebGPU errors that nobody heard. */
      readonly errors: number;
      /** Failures outside of specs. */
      readonly outside: readonly string[];
    };
