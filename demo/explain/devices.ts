import {CORE_DEVICE, type Device, type Precision} from '../../src/pure.js';
import type {Adapter} from '../shell/adapter.js';
import type {DeviceName} from './state.js';

/** What a desktop GPU grants who asks for all it has; the numbers of an NVIDIA H200 through Dawn. */
const LARGE: Device = {
  ...CORE_DEVICE,
  maxWorkgroupBytes: 49152,
  maxInvocations: 1024,
  maxStorageBuffers: 16,
  maxBindingBytes: 2 ** 31 - 4,
  vendor: 'nvidia',
};

const TENSOR_CORES: Device = {
  ...LARGE,
  subgroups: {min: 32, max: 32},
  float16: true,
  matrices: [{componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16}],
};

/** The limits to plan for, and what the kernel reads. */
export function deviceOf(name: DeviceName, here: Adapter | null): {readonly device: Device; readonly precision: Precision} {
  switch (name) {
    case 'core':
      return {device: CORE_DEVICE, precision: 'float32'};
    case 'here':
      return {device: here?.device ?? CORE_DEVICE, precision: 'float32'};
    case 'large':
      return {device: LARGE, precision: 'float32'};
    case 'tensor':
      return {device: TENSOR_CORES, precision: 'float16'};
  }
}
