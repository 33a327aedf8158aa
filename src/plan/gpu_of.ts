import type {Device} from './problem.js';
import {REFERENCE, SOFTWARE, type Gpu} from './reference.js';

/** The reference, or a CPU that plays GPU, with what a device says otherwise; undefined says nothing. */
export const gpuOf = ({gpu, software}: Partial<Pick<Device, 'gpu' | 'software'>>): Gpu => ({
  ...(software === true ? SOFTWARE : REFERENCE),
  ...Object.fromEntries(Object.entries(gpu ?? {}).filter(([, value]) => value !== undefined)),
});
