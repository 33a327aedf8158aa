import type {TensorInfo} from '@tensorflow/tfjs-core';
import type {Host} from './backend.js';

/** Whether the CPU has the numbers of a tensor, so that they can be read at once. */
export const isOnCpu = (host: Host, {dataId}: TensorInfo): boolean =>
  host.inside((backend) => backend.tensorMap.get(dataId).values != null);
