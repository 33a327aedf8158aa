import {parsePattern, type Pattern} from '../../src/index.js';

/** A byte-level causal transformer: who attends to whom, and how wide everything is. */
export interface ModelConfig {
  /** Features of a token. */
  readonly width: number;
  readonly heads: number;
  /** Features inside the feed-forward block. */
  readonly hidden: number;
  readonly layers: readonly LayerConfig[];
}

export interface LayerConfig {
  /** The text of a causal pattern. */
  readonly pattern: string;
  /** Per head; ALiBi (arXiv 2108.12409) is all that tells this model where a byte is. */
  readonly alibiSlopes: readonly number[];
}

export type Variant = 'sparse' | 'causal';

/** One value for each byte. */
export const VOCABULARY = 256;

/** Bytes that one training example has, and the longest context whose quality is known. */
export const CONTEXT = 8192;

/** Every other layer looks back 256 bytes; those between take 256 bytes in steps, the last of them as far as the context reaches. */
const STEPS = [1, 4, 1, 8, 1, 16, 1, 32];

/** The first bytes of a text stay visible from everywhere, as attention sinks (arXiv 2309.17453). */
const SINKS = 4;

const WINDOW = 256;

/** From heads that look at their neighbours to one that minds no distance. */
const SLOPES = [1 / 4, 1 / 16, 1 / 64, 1 / 256, 1 / 1024, 0];

/**
 * The model that this demo trains: 8 layers of 6 heads of 32, 3.6 million parameters.
 *
 * `causal` is the same with every layer attending to all that came before.
 */
export function byteModelConfig(variant: Variant): ModelConfig {
  return {
    width: 192,
    heads: 6,
    hidden: 768,
    layers: STEPS.map((step) => ({
      pattern: variant === 'causal' ? 'causal()' : sparsePattern(step),
      // A slope per step taken, not per byte: a layer of long steps is not to be short-sighted.
      alibiSlopes: SLOPES.map((slope) => slope / step),
    })),
  };
}

function sparsePattern(step: number): string {
  const dilation = step === 1 ? '' : `, dilation: ${step}`;
  return `(slidingWindow(left: ${WINDOW - 1}${dilation}) or prefix(${SINKS})) and causal()`;
}

export function patternsOf({layers}: ModelConfig): Pattern[] {
  return layers.map(({pattern}) => parsePattern(pattern));
}
