import type {Device} from '../../pure.js';
import type {GrantedFeatures} from './granted.js';

/** What adapters say of themselves; which fields exist depends on the browser and its age. */
export interface AdapterWords {
  readonly vendor?: string;
  readonly architecture?: string;
  readonly device?: string;
  readonly description?: string;
  readonly isFallbackAdapter?: boolean;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|software|microsoft basic render|\bwarp\b|\bcpu\b/i;

/** The device as plain data for the planner. `words` come from `device.adapterInfo` where the browser has it, else from tfjs. */
export function deviceRecord(limits: GPUSupportedLimits, words: AdapterWords, granted: GrantedFeatures): Device {
  const {vendor = '', architecture = '', device = '', description = ''} = words;
  return Object.freeze({
    maxWorkgroupBytes: limits.maxComputeWorkgroupStorageSize,
    maxInvocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
    maxStorageBuffers: limits.maxStorageBuffersPerShaderStage,
    maxBindingBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
    maxWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    subgroups: granted.subgroups,
    float16: granted.float16,
    matrices: granted.matrixConfigs,
    vendor,
    tuned: Object.freeze({}),
    software: words.isFallbackAdapter === true || SOFTWARE.test([vendor, architecture, device, description].join(' ')),
  });
}
