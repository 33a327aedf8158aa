/**
 * The definition of right: dense masked attention in plain float64 loops. Everything fast is compared with it.
 *
 *     raw    = scale · query[b, h, q, :]·key[b, ⌊h / (heads / keyHeads)⌋, k, :]
 *     score  = softcap · tanh(raw / softcap) + bias(b, h, q, k)
 *     output = Σₖ exp(score) / (Σₖ exp(score) + exp(sinks[h])) · keep(b, h, q, k) · value[b, ⌊h / (heads / keyHeads)⌋, k, :]
 *
 * over the keys k that query q attends to. A query that attends to no key gives zeros. Everything else that moves scores (ALiBi,
 * relative biases) is a bias, everything else that hides pairs (lengths, segments) is part of `attends`: see the makers in
 * `oracle_options.ts`.
 */
export interface AttentionInputs<Data extends ArrayLike<number> = Float32Array> {
  readonly batch: number;
  readonly heads: number;
  /** Of key and value; divides `heads`. Default heads. */
  readonly keyHeads?: number;
  readonly queryLength: number;
  readonly keyLength: number;
  readonly headDim: number;
  readonly valueDim: number;
  /** [batch, heads, queryLength, headDim] */
  readonly query: Data;
  /** [batch, keyHeads, keyLength, headDim] */
  readonly key: Data;
  /** [batch, keyHeads, keyLength, valueDim] */
  readonly value: Data;
}

export type Attends = (query: number, key: number, batch: number, head: number) => boolean;
export type Bias = (batch: number, head: number, query: number, key: number) => number;

export interface OracleOptions {
  /** Default 1/√headDim. */
  readonly scale?: number;
  /** Added to the scaled score; −Infinity excludes the key. */
  readonly bias?: Bias;
  readonly softcap?: number;
  /** [heads] One more score per head, which joins the denominator only. */
  readonly sinks?: ArrayLike<number>;
  /** What dropout multiplies a probability by: 0 or 1 / (1 − rate). Default 1. */
  readonly keep?: (batch: number, head: number, query: number, key: number) => number;
}
