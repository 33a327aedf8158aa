/** Scales outside of this are far; no model has them. */
const [SMALLEST, LARGEST] = [2 ** -12, 2 ** 60];

/** Below it float32 has few digits, and GPUs have 0. What is left of a smaller scale multiplies the product. */
const SMALLEST_SIDE = 2 ** -126;

/**
 * Whether the scale, or what it is in units of the softcap, is so far from 1 that query and key take parts of it before they meet: their
 * product may be past float32 where the score is not. Within, products are past it for scores beyond 3.4e38 / 4096 = 8e34 alone.
 */
export function isFarScale({scale, softcap = 1}: {readonly scale: number; readonly softcap?: number | undefined}): boolean {
  const size = Math.abs(scale / softcap);
  return !(size >= SMALLEST && size <= LARGEST);
}

export interface ScaleFactors {
  /** What a product of query and key is multiplied by. */
  readonly product: number;
  /** What each of them is multiplied by before, a power of two, so that nothing is rounded; 1 unless the scale is far. */
  readonly side: number;
  /** What Σ dScore · key is multiplied by, the keys with their part of the scale. */
  readonly gradient: number;
  /** In the unit of scores; 0 without one. */
  readonly softcap: number;
}

/** The factors of a call, for scores in a unit. Under a cap products count in multiples of it. */
export function factorsOf(
  {scale, softcap}: {readonly scale: number; readonly softcap?: number | undefined},
  {unit, farScale}: {readonly unit: number; readonly farScale: boolean},
): ScaleFactors {
  const whole = scale / (softcap ?? unit);
  const side = farScale && scale !== 0 ? Math.max(SMALLEST_SIDE, 2 ** Math.round(Math.log2(Math.abs(whole)) / 2)) : 1;
  return {product: whole / side / side, side, gradient: scale / side, softcap: (softcap ?? 0) / unit};
}
