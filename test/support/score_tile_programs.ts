import {compress} from '../../src/acsr/index.js';
import {causal, globalTokens, slidingWindow, type Pattern} from '../../src/pattern/index.js';
import {CORE_DEVICE, scorePlan, type Device, type ScorePlan, type ScoreProduct} from '../../src/plan/index.js';
import {problemFor} from './plans.js';

/** A product of packed numbers over tiles, of so many features. */
export function scoreTilesOf(
  product: ScoreProduct,
  pattern: Pattern,
  n: number,
  headDim: number,
  device: Device = CORE_DEVICE,
): ScorePlan {
  const shape = {queryLength: n, keyLength: n, queryOffset: 0};
  return scorePlan(product, compress(pattern, shape), problemFor(shape, {heads: 2, headDim}), device)!;
}

const PATTERNS = [
  [slidingWindow({left: 40, right: 9}).or(globalTokens(7)), 300],
  [causal(), 2200],
] as const;

/** Plans of all kinds: short rows and long ones, features of all remainders, devices with tiles of their own. */
export function* everyScoreTiles(devices: readonly Device[]): Generator<ScorePlan> {
  for (const device of devices)
    for (const product of ['sddmm', 'spmm', 'transposed'] as const)
      for (const [pattern, n] of PATTERNS)
        for (const headDim of [1, 4, 30, 64, 80, 128, 132, 200, 256]) yield scoreTilesOf(product, pattern, n, headDim, device);
}
