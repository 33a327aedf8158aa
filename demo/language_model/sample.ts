import {splitMix} from './random.js';

export interface Sampling {
  /** 0 takes the likeliest byte; 1 draws as the model believes. */
  readonly temperature: number;
  /** Only so many of the likeliest bytes are drawn from. Default: all. */
  readonly topK?: number;
  /** A whole number. The same one and the same text give the same bytes. */
  readonly seed: number;
}

/** Texts of different seeds draw from seeds that lie far apart. */
const MANY_TEXTS = 0x9e3779b1;

/** Byte number `position` of a text, drawn from logits [256]. */
export function sample(logits: Float32Array, {temperature, topK = logits.length, seed}: Sampling, position: number): number {
  const likeliest = Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]! || a - b);
  const best = likeliest[0]!;
  if (!logits.every(Number.isFinite)) throw new Error('The model gave numbers that are none.');
  if (temperature === 0) return best;
  const kept = likeliest.slice(0, topK);
  const weights = kept.map((byte) => Math.exp((logits[byte]! - logits[best]!) / temperature));
  let rest = splitMix(Math.imul(seed, MANY_TEXTS) + position)() * weights.reduce((sum, weight) => sum + weight, 0);
  return kept.find((_, i) => (rest -= weights[i]!) < 0) ?? best;
}
