import {CORE_DEVICE, type Device} from './problem.js';
import {REFERENCE, type Gpu} from './reference.js';
import {readOptions, refuse, say, type NamesOf} from '../support/index.js';

const CURE = 'Leave the device out for the limits that every one has.';
const GPU_CURE = 'Leave it out for what an NVIDIA H200 has.';

/** A device that a caller spelled, found right: each limit of its type, and rates of the GPU that are numbers above 0. */
export function checkDevice(device: Device): Device {
  const given: Readonly<Record<string, unknown>> = {...device};
  for (const [name, core] of Object.entries(CORE_DEVICE)) {
    const found = given[name];
    const isLike = typeof found === typeof core && !Number.isNaN(found) && Array.isArray(found) === Array.isArray(core);
    if (isLike && (found !== null || core === null)) continue;
    refuse(
      `device.${name}`,
      say(found),
      Array.isArray(core) ? 'an array' : typeof core === 'object' ? 'an object' : `a ${typeof core}`,
      CURE,
    );
  }
  return device.gpu === undefined || device.gpu === null ? device : {...device, gpu: checkGpu(device.gpu)};
}

const GPU_NAMES = Object.fromEntries(Object.keys(REFERENCE).map((name) => [name, true])) as NamesOf<Gpu>;

function checkGpu(given: Partial<Gpu>): Partial<Gpu> {
  const gpu = readRates('device.gpu', given, GPU_NAMES);
  if (gpu.flopsPerMs === undefined) return gpu;
  const names = Object.fromEntries(Object.keys(REFERENCE.flopsPerMs).map((name) => [name, true]));
  const flopsPerMs = readRates('device.gpu.flopsPerMs', gpu.flopsPerMs, names as NamesOf<Gpu['flopsPerMs']>);
  return {...gpu, flopsPerMs: {...REFERENCE.flopsPerMs, ...flopsPerMs}};
}

function readRates<T extends object>(all: string, given: Partial<T>, names: NamesOf<T>): Partial<T> {
  const expected = 'an object of numbers above 0';
  const read = readOptions<Partial<T>>(given, names as NamesOf<Partial<T>>, {
    ...{all, expected, cure: GPU_CURE},
    one: (name) => `${all}.${name}`,
  }) as Partial<T>;
  for (const [name, value] of Object.entries(read)) {
    if (name === 'flopsPerMs' || (typeof value === 'number' && value > 0 && value < Infinity)) continue;
    refuse(`${all}.${name}`, say(value), 'a number above 0', GPU_CURE);
  }
  return read;
}
