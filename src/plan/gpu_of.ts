import type {Device} from './problem.js';
import {REFERENCE, SOFTWARE, type Gpu} from './reference.js';
import {addsInSubgroups} from './row_wise.js';

/** Row by row, where neighbours in a subgroup add up their products: the fit of 282 kernels (`bench:calibrate`, H200, 2026-11-30). */
const WITH_SUBGROUPS: Partial<Gpu> = Object.freeze({ownPairMs: 11e-9});

/** The reference, or a CPU that plays GPU, with what a device says otherwise; undefined says nothing. */
export const gpuOf = ({gpu, subgroups, software}: Partial<Pick<Device, 'gpu' | 'subgroups' | 'software'>>): Gpu => ({
  ...(software === true ? SOFTWARE : REFERENCE),
  ...(software !== true && addsInSubgroups({subgroups: subgroups ?? null}) && WITH_SUBGROUPS),
  ...Object.fromEntries(Object.entries(gpu ?? {}).filter(([, value]) => value !== undefined)),
});
