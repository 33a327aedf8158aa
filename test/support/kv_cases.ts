import * as tf from '@tensorflow/tfjs-core';
import {reachOf} from '../../src/acsr/index.js';
import {blockLocal, causal, globalTokens, prefix, slidingWindow, strided, type Pattern} from '../../src/pattern/index.js';
import {KvCache} from '../../src/index.js';
import type {KvAttendOptions, KvCacheOptions} from '../../src/runtime/kv/kv_options.js';
import {
  alibiBias,
  broadcastBias,
  expectAttention,
  mulberry32,
  randomInputs,
  relativeBiasOf,
  sumOfBiases,
  type AttentionInputs,
  type Bias,
  type OracleOptions,
} from '../oracle.js';
import {inHalves} from './halves.js';

export const window = (left: number, dilation = 1): Pattern => slidingWindow({left, dilation});
export const CACHE = {batch: 2, keyHeads: 2, headDim: 6, valueDim: 4};
export const SIZES = {...CACHE, heads: 2};

export type Tensors = readonly [query: tf.Tensor4D, key: tf.Tensor4D, value: tf.Tensor4D];

export function tensorsOf(inputs: AttentionInputs): Tensors {
  const {batch, heads, keyHeads = heads, queryLength, keyLength, headDim, valueDim} = inputs;
  return [
    tf.tensor4d(inputs.query, [batch, heads, queryLength, headDim]),
    tf.tensor4d(inputs.key, [batch, keyHeads, keyLength, headDim]),
    tf.tensor4d(inputs.value, [batch, keyHeads, keyLength, valueDim]),
  ];
}

/** The tokens `from ≤ i < from + count` of each tensor. */
export const tokens = (tensors: Tensors, from: number, count: number): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] =>
  tensors.map((tensor) => tf.slice(tensor, [0, 0, from, 0], [-1, -1, count, -1])) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];

/** The outputs of a whole sequence that arrives in steps of these sizes; `around` calls all but the first, which is the prompt. */
export function decode(
  cache: KvCache,
  tensors: Tensors,
  steps: readonly number[],
  options: KvAttendOptions = {},
  {around = (step) => step(), optionsOf = () => ({}), layout}: Pick<Run, 'around' | 'optionsOf' | 'layout'> = {},
): tf.Tensor4D {
  const swapped = (tensor: tf.Tensor4D): tf.Tensor4D => (layout === undefined ? tensor : tf.transpose(tensor, [0, 2, 1, 3]));
  let from = 0;
  const outputs = steps.map((count, index) => {
    const [query, key, value] = tokens(tensors, from, count).map(swapped) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const all = {...options, ...optionsOf(from, count), ...(layout && {layout})};
    const step = (): tf.Tensor4D => cache.attend(query, key, value, all);
    const output = swapped(index === 0 ? step() : around(step));
    from += count;
    return output;
  });
  return tf.concat(outputs, 2);
}

/** `length` as a prompt and steps of `step`. */
export function split(length: number, prompt: number, step: number): number[] {
  const steps = [Math.min(prompt, length)];
  for (let at = prompt; at < length; at += step) steps.push(Math.min(step, length - at));
  return steps.filter((count) => count > 0);
}

export interface Run {
  readonly length: number;
  readonly steps: readonly number[];
  readonly cache?: Partial<KvCacheOptions>;
  readonly sizes?: Partial<typeof SIZES>;
  readonly options?: KvAttendOptions;
  /** Further options of the step whose tokens these are. */
  readonly optionsOf?: (first: number, count: number) => KvAttendOptions;
  readonly layout?: 'blhd';
  readonly oracle?: OracleOptions;
  readonly around?: (step: () => tf.Tensor4D) => tf.Tensor4D;
}

export async function expectCausalRun(pattern: Pattern, run: Run, what: string): Promise<void> {
  const {length, steps} = run;
  const sizes = {...SIZES, ...run.sizes};
  const inputs = randomInputs({...sizes, queryLength: length, keyLength: length});
  const needsMax = reachOf(pattern).back === Infinity;
  const {heads, ...ofCache} = sizes;
  const cache = new KvCache(pattern, {...ofCache, ...(needsMax && {maxLength: length}), ...run.cache});
  const output = decode(cache, tensorsOf(inputs), steps, run.options, run);
  expect(output.shape).toEqual([sizes.batch, heads, length, sizes.valueDim]);
  expect(cache.lengths).toEqual(new Array<number>(sizes.batch).fill(length));
  const seen = run.cache?.precision === 'float16' ? inHalves(inputs) : inputs;
  await expectAttention(output, seen, (q, k, batch, head) => pattern.attends(q, k, {...inputs, batch, head}), run.oracle, what);
  cache.dispose();
}

export const CAUSAL_PATTERNS: [string, Pattern][] = [
  ['a window and sinks', prefix(4).or(window(15)).and(causal())],
  ['a window', window(9)],
  ['a dilated window', window(4, 5)],
  ['strides', strided({stride: 5}).and(causal()).or(window(3))],
  ['blocks', blockLocal({size: 12}).and(causal())],
  ['a prefix or a window', prefix(7).or(window(5)).and(causal())],
  ['global tokens', globalTokens(4).or(window(11)).and(causal())],
  ['listed tokens', globalTokens([0, 17, 50]).or(window(6)).and(causal())],
  ['sinks alone', prefix(3).and(causal())],
  ['causal', causal()],
  ['three strides', window(9, 2).or(window(8, 5)).or(window(3))],
  ['rows without keys', window(10).and(prefix(20).not()).and(causal())],
];

/** The biases of one call over a whole sequence. */
interface WholeBiases {
  readonly length: number;
  readonly heads: number;
  /** [batch, heads, length, length], [heads, length], [heads, 2·length − 1], [2·length − 1], [heads] */
  readonly pairs: Float32Array;
  readonly columns: Float32Array;
  readonly own: Float32Array;
  readonly shared: Float32Array;
  readonly slopes: readonly number[];
  readonly ofPairs: Bias;
  readonly ofDistance: Bias;
  /** The bias of some queries. */
  rows(first: number, count: number, keys: number): tf.Tensor4D;
  entries(): tf.Tensor2D;
}

export function wholeBiases(batch: number, heads: number, length: number): WholeBiases {
  const random = mulberry32(3);
  const numbers = (count: number): Float32Array => Float32Array.from({length: count}, () => 2 * random() - 1);
  const pairs = numbers(batch * heads * length * length);
  // Every fifth key of head 0 is excluded, but for the query itself.
  pairs.forEach((_, i) => {
    const [h, q, k] = [Math.floor(i / length ** 2) % heads, Math.floor(i / length) % length, i % length];
    if (h === 0 && k % 5 === 3 && k !== q) pairs[i] = -Infinity;
  });
  const own = numbers(heads * (2 * length - 1));
  return {
    ...{length, heads, pairs, own, columns: numbers(heads * length), shared: numbers(2 * length - 1)},
    slopes: Array.from({length: heads}, (_, h) => 0.5 / (h + 1)),
    ofPairs: broadcastBias(pairs, [batch, heads, length, length]),
    ofDistance: relativeBiasOf(own, heads, length, length),
    rows: (first, count, keys) =>
      tf.slice(tf.tensor4d(pairs, [batch, heads, length, length]), [0, 0, first, 0], [batch, heads, count, keys]),
    entries: () => tf.tensor2d(own, [heads, 2 * length - 1]),
  };
}

type BiasedRun = Pick<Run, 'options' | 'optionsOf' | 'oracle'>;

/** Ways to give them to the steps of a cache, and what the oracle makes of them. */
export const BIASED: Readonly<Record<string, (whole: WholeBiases) => BiasedRun>> = {
  'a bias of each pair': ({rows, ofPairs}) => ({
    optionsOf: (first, count) => ({bias: rows(first, count, first + count)}),
    oracle: {bias: ofPairs},
  }),
  'a bias with more columns than tokens': ({rows, ofPairs, length}) => ({
    optionsOf: (first, count) => ({bias: rows(first, count, length)}),
    oracle: {bias: ofPairs},
  }),
  'a bias of each key': ({columns, heads, length}) => ({
    options: {bias: tf.tensor3d(columns, [heads, 1, length])},
    oracle: {bias: broadcastBias(columns, [1, heads, 1, length])},
  }),
  'a bias by distance, the same in every step': ({entries, ofDistance}) => ({
    options: {relativeBias: entries()},
    oracle: {bias: ofDistance},
  }),
  'a bias by distance that heads share': ({shared, length}) => ({
    options: {relativeBias: tf.tensor2d(shared, [1, 2 * length - 1])},
    oracle: {bias: relativeBiasOf(shared, 1, length, length)},
  }),
  'a bias by distance of each step': ({entries, heads, length, ofDistance}) => ({
    // Entry key − query + keyLength − 1, for keyLength = first + count.
    optionsOf: (first, count) => ({
      relativeBias: tf.slice(entries(), [0, length - first - count], [heads, first + 2 * count - 1]),
    }),
    oracle: {bias: ofDistance},
  }),
  'all of them, and ALiBi': ({entries, slopes, rows, length, ofPairs, ofDistance}) => ({
    options: {relativeBias: entries(), alibiSlopes: [...slopes]},
    optionsOf: (first, count) => ({bias: rows(first, count, length)}),
    oracle: {bias: sumOfBiases(ofPairs, ofDistance, alibiBias(slopes, 0))},
  }),
};
