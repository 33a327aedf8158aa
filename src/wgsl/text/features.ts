/**
 * What a call adds to the scores of a pattern, as far as the text of a kernel depends on it: the names of the terms in src/wgsl/terms, each of
 * which adds its own to this interface, and two facts of the call.
 */
export interface Features {
  /** The scale is far from 1, so that each of query and key takes a part of it. */
  readonly farScale: boolean;
  /** Keys are slots of a cache, and the tail says what they hold. */
  readonly ring: boolean;
}

/** Of far scores. */
export const FAR_UNIT = 16;

/** Scores in their unit from numbers as calls give them. */
export const PER_UNIT = 1 / FAR_UNIT;
