import type {Device} from './problem.js';
import {REFERENCE, SOFTWARE, type Gpu} from './reference.js';

/** The reference, or a CPU that plays GPU, with what a device says otherwise; undefined says nothing. */
export function gpuOf({gpu, software}: Partial<Pick<Device, 'gpu' | 'software'>>): Gpu {
  const like = software === true ? SOFTWARE : REFERENCE;
  if (gpu === undefined) return like;
  return {...like, ...Object.fromEntries(Object.entries(gpu).filter(([, value]) => value !== undefined))};
}
