import type {Device, Precision} from '../src/pure.js';
import type {OwnSystem} from './tier_options.js';

/** What a system's plans are made for. */
export interface TierDevice {
  readonly device: Device;
  /** The precision to plan with; where the first gives no plan on tensor cores, the second. */
  readonly precision: readonly Precision[];
}

/** The device that a system's plans are made for, out of what was granted; or why it cannot run, as text. */
export function tierDevice(system: OwnSystem, granted: Device, refused: readonly string[]): TierDevice | string {
  const none = (extra: string): string =>
    `not granted: ${refused.find((sentence) => sentence.startsWith(`${extra}:`)) ?? `${extra}.`}`;
  switch (system) {
    case 'float32':
      return {device: {...granted, subgroups: null, float16: false, matrices: []}, precision: ['float32']};
    case 'float32 subgroups':
      if (granted.subgroups === null) return none('subgroups');
      return {device: {...granted, float16: false, matrices: []}, precision: ['float32']};
    case 'float16 storage':
      return {device: {...granted, matrices: []}, precision: ['float16']};
    case 'tensor cores':
      if (granted.matrices.length === 0) return none('tensorCores');
      return {device: granted, precision: ['float16', 'float32']};
  }
}

/** The prototype knows one shape of matrices, and 18,944 bytes at headDim 128. */
export function runsPrototypeMatrix({matrices, subgroups, maxWorkgroupBytes}: Device): boolean {
  const fits = matrices.some(
    ({componentType, resultComponentType, M, N, K}) =>
      componentType === 'f16' && resultComponentType === 'f32' && M === 16 && N === 16 && K === 16,
  );
  return fits && subgroups?.min === 32 && subgroups.max === 32 && maxWorkgroupBytes >= 18944;
}
