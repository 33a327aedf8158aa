/** What the issue asks of the NVIDIA H200, 8 heads: milliseconds by length. */
export interface Target {
  readonly system: 'float32' | 'tensor cores';
  readonly pattern: string;
  readonly headDim: number;
  readonly ms: Readonly<Record<number, number>>;
}

const float32 = (pattern: string, ms: Target['ms']): Target => ({system: 'float32', pattern, headDim: 64, ms});
const tensorCores = (pattern: string, ms: Target['ms'], headDim = 64): Target => ({system: 'tensor cores', pattern, headDim, ms});

export const TARGETS: readonly Target[] = [
  float32('causal', {4096: 0.6, 16384: 8.2}),
  float32('window', {1024: 0.056, 4096: 0.175, 16384: 0.65}),
  float32('causalWindow', {4096: 0.175, 16384: 0.65}),
  float32('dilated', {4096: 0.072, 16384: 0.24}),
  float32('strided', {4096: 0.095, 16384: 0.4}),
  float32('longformer', {4096: 0.22, 16384: 0.78}),
  float32('full', {4096: 1.0, 16384: 15.9}),
  tensorCores('causal', {4096: 0.15, 16384: 1.35}),
  tensorCores('window', {4096: 0.042, 16384: 0.145}),
  tensorCores('dilated', {4096: 0.024, 16384: 0.08}),
  tensorCores('strided', {4096: 0.07, 16384: 0.25}),
  tensorCores('longformer', {4096: 0.1, 16384: 0.32}),
  tensorCores('full', {4096: 0.21, 16384: 2.9}),
  tensorCores('causal', {16384: 2.4}, 128),
];

/** Of query, key and value together, at headDim 64. */
export const CONVERT_TARGET = {n: 16384, headDim: 64, ms: 0.045} as const;
/** The first call of a new structure, at headDim 64. */
export const FIRST_TARGET = {headDim: 64, ms: 350} as const;
/** CPU time of a repeated call above that of tf.matMul. */
export const CALL_TARGET_US = 60;

export function targetOf(system: Target['system'], pattern: string, n: number, headDim: number): number | undefined {
  return TARGETS.find((target) => target.system === system && target.pattern === pattern && target.headDim === headDim)?.ms[n];
}
