import {arch, cpus, platform} from 'node:os';
import * as tf from '@tensorflow/tfjs-core';
import type {Gpu} from './gpu.js';
import type {BenchRecord, Clock, RunRecord} from './records.js';

export function describeRun({device, name, driver, software}: Gpu, clock: Clock): RunRecord {
  return {
    kind: 'run',
    date: new Date().toISOString(),
    device: name,
    driver,
    software,
    clock,
    host: `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, ${platform()} ${arch()}`,
    node: process.version,
    tfjs: tf.version_core,
    maxStorageBufferBindingSize: device.limits.maxStorageBufferBindingSize,
  };
}

export const clockWords = (clock: Clock): string =>
  clock === 'gpu' ? 'timed by clock-calibrated GPU timestamps' : 'timed by the wall clock';

export const line = (record: BenchRecord): string => `${JSON.stringify(record)}\n`;
