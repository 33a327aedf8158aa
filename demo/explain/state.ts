/** What the studio shows, as the part of the address behind `#`: whoever opens the link sees the same. */

export const DEVICES = ['core', 'here', 'large', 'tensor'] as const;
export type DeviceName = (typeof DEVICES)[number];

export interface StudioState {
  /** As the reader typed it, which may be no pattern. */
  readonly pattern: string;
  /** Queries, and keys. */
  readonly length: number;
  readonly headDim: number;
  readonly device: DeviceName;
  /** The pair under the lens; clipped to the length when shown. */
  readonly query: number;
  readonly key: number;
}

export const LONGEST = 16384;
export const HEAD_DIMS: readonly number[] = [16, 32, 64, 128, 256];

export const FIRST_STATE: StudioState = {
  pattern: 'slidingWindow(left: 64, right: 64) or globalTokens(16)',
  length: 1024,
  headDim: 64,
  device: 'core',
  query: 512,
  key: 448,
};

/** `#pattern=causal&length=512`. What is missing or no good is as in `FIRST_STATE`. */
export function readState(hash: string): StudioState {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  const number = (name: 'length' | 'query' | 'key', least: number, most: number): number => {
    const text = given.get(name) ?? '';
    const value = Number(text);
    return /^\d+$/.test(text) && value >= least && value <= most ? value : FIRST_STATE[name];
  };
  const headDim = Number(given.get('headDim'));
  const device = DEVICES.find((name) => name === given.get('device'));
  return {
    pattern: given.get('pattern') ?? FIRST_STATE.pattern,
    length: number('length', 1, LONGEST),
    headDim: HEAD_DIMS.includes(headDim) ? headDim : FIRST_STATE.headDim,
    device: device ?? FIRST_STATE.device,
    query: number('query', 0, LONGEST - 1),
    key: number('key', 0, LONGEST - 1),
  };
}

export function printState(state: StudioState): string {
  return `#${new URLSearchParams(Object.entries(state).map(([name, value]) => [name, String(value)])).toString()}`;
}
