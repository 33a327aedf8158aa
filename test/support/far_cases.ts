// Calls whose numbers are near the ends of what float32 holds. The oracle's float64 says what is right; the tolerance is that of float32
// beside the largest number of a feature, for the dense attention of tfjs overflows on most of these.
import * as tf from '@tensorflow/tfjs-core';
import {full, parsePattern, sparseAttention, sparseAttentionWithAux, type SparseAttentionOptions} from '../../src/index.js';
import {
  alibiBias,
  broadcastBias,
  expectWithin,
  oracleWithAux,
  randomInputs,
  relativeBiasOf,
  sumOfBiases,
  withinLengths,
  type AttentionInputs,
  type Attends,
  type Bias,
  type OracleOptions,
} from '../oracle.js';
import {oracleGradients} from '../oracle_gradients.js';
import {inHalves} from './halves.js';

export const [HEADS, QUERIES, KEYS, DIM] = [2, 3, 6, 4];
export const SIZES = {batch: 1, heads: HEADS, queryLength: QUERIES, keyLength: KEYS, headDim: DIM, valueDim: DIM};

/** Arrays are read over and over, so that a few numbers fill a tensor. */
export interface FarCase {
  readonly what: string;
  readonly query?: number;
  readonly key?: number;
  /** What values are multiplied by, feature by feature. */
  readonly value?: readonly number[];
  readonly scale?: number;
  readonly softcap?: number;
  /** Of each key, for all queries; or of each pair. */
  readonly keyBias?: readonly number[];
  readonly pairBias?: readonly number[];
  readonly relativeBias?: readonly number[];
  readonly alibiSlopes?: readonly number[];
  readonly sinks?: readonly number[];
  readonly queryOffset?: number;
  readonly keyLength?: number;
  readonly keyLengths?: readonly number[];
  readonly pattern?: string;
  /** Gradients of the log-sum-exp, too. */
  readonly aux?: boolean;
  /** Gradients that float32 does not hold. */
  readonly without?: readonly string[];
}

export const LOWEST = -3.4028234663852886e38;
const FAR = 2 ** 31 - 1;

const SCALES: readonly FarCase[] = [
  {what: 'a tiny scale', scale: 1e-31, query: 1e16, key: 1e15},
  {what: 'a tiny negative scale', scale: -1e-31, query: 1e16, key: 1e15},
  {what: 'a scale that float32 holds badly', scale: -1e-40, query: 1e20, key: 1e20},
  {what: 'a scale that float32 does not hold', scale: 1e-60, query: 1e30, key: 1e30},
  {what: 'a tiny scale and queries of ordinary size', scale: 1e-37, key: 1e37, without: ['key']},
  {what: 'a tiny scale and keys of ordinary size', scale: 1e-37, query: 1e37, without: ['query']},
  {what: 'a huge scale', scale: 1e38, query: 1e-19, key: 1e-19},
  {what: 'a huge negative scale', scale: -2e38, query: 1e-30, key: 1e-8},
  {what: 'no scale', scale: 0, query: 1e15, key: 1e15},
  {what: 'products past float32', scale: 1e-9, query: 1e20, key: 1e20, without: ['query', 'key']},
  {what: 'products past float32 whose scores are small', scale: 1e-40, query: 1e20, key: 1e20},
];

const SOFTCAPS: readonly FarCase[] = [
  {what: 'a softcap of huge products', softcap: 30, scale: 1e-40, query: 1e20, key: 1e20},
  {what: 'a softcap of scores past float32', softcap: 5, scale: 1e6, query: 1e17, key: 1e17},
  {what: 'a huge softcap', softcap: 1e30, scale: 1, query: 1e-9, key: 1e9},
  {what: 'a tiny softcap', softcap: 1e-30, scale: 1},
  {what: 'a huge softcap and a scale that float32 does not hold', softcap: 1e30, scale: 1e-60, query: 1e30, key: 1e30},
];

const BIASES: readonly FarCase[] = [
  {what: 'far biases', keyBias: [-1e38, -3e38]},
  {what: 'farthest biases', keyBias: [LOWEST, -3e38, -3.2e38]},
  {what: 'biases of −1e38 alone', keyBias: [-1e38]},
  {what: 'the lowest bias alone', keyBias: [LOWEST]},
  {what: 'the lowest bias beside −Infinity', keyBias: [-Infinity, LOWEST, LOWEST]},
  {what: 'far biases beside −Infinity', keyBias: [-3e38, -Infinity, -2.9e38]},
  {what: 'far biases of both signs', keyBias: [-3e38, 3e38, 0]},
  {what: 'far positive biases', keyBias: [1e38, 3e38, 3.2e38]},
  {what: 'the highest biases', keyBias: [-LOWEST, -LOWEST, 3e38]},
];

const PAIR_BIASES: readonly FarCase[] = [
  {what: 'far biases of pairs', pairBias: [-1e38, -3e38, -2e38, -Infinity, LOWEST, 0, 3e38]},
  {
    what: 'rows that −Infinity hides',
    pairBias: [...Array<number>(KEYS).fill(-Infinity), -3e38, ...Array<number>(KEYS - 1).fill(LOWEST)],
  },
];

const RELATIVE: readonly FarCase[] = [
  {what: 'far relative biases', relativeBias: [-1e38, -3e38, -2e38, 1e38]},
  {what: 'the lowest relative bias', relativeBias: [LOWEST]},
];

const BOTH: readonly FarCase[] = [
  {what: 'two biases that cancel', keyBias: [-3e38, 3e38, 2e38], relativeBias: [3e38, -3e38, 2e38]},
  {what: 'two biases whose sum float32 does not hold', keyBias: [-3e38], relativeBias: [-3e38, LOWEST]},
];

const ALIBI: readonly FarCase[] = [
  {what: 'far slopes', alibiSlopes: [1e36, 3e37]},
  {what: 'far negative slopes', alibiSlopes: [-1e36, -3e37]},
  {what: 'slopes at the farthest offset', alibiSlopes: [0.5, -0.25], queryOffset: FAR},
  {what: 'slopes at the farthest offset before the keys', alibiSlopes: [0.5, -0.25], queryOffset: -FAR},
  {what: 'slopes at offset 12,345,678', alibiSlopes: [0.5, 0.125], queryOffset: 12345678},
  {what: 'slopes and the log-sum-exp at the farthest offset', alibiSlopes: [0.5, -0.25], queryOffset: FAR, aux: true},
  {what: 'slopes and the log-sum-exp before the keys', alibiSlopes: [0.5, -0.25], queryOffset: -1234, aux: true},
  {what: 'slopes just past the keys', alibiSlopes: [0.5, 0.125], queryOffset: KEYS - 1},
  {what: 'far slopes of keys that the pattern hides', alibiSlopes: [1e36, 2e37], pattern: 'not slidingWindow(left: 5)'},
];

const ALIBI_LENGTHS: readonly FarCase[] = [
  {what: 'slopes far past short keys', alibiSlopes: [0.5, 0.25], queryOffset: FAR, keyLengths: [4]},
  {what: 'slopes beside no keys', alibiSlopes: [0.5, 0.25], queryOffset: FAR, keyLengths: [0]},
];

const ALIBI_SINKS: readonly FarCase[] = [
  {what: 'slopes and sinks at the farthest offset', alibiSlopes: [0.5, 0.25], queryOffset: FAR, sinks: [1, -3e38]},
  {what: 'slopes and sinks past the keys', alibiSlopes: [0.5, -0.25], queryOffset: 50, sinks: [-20, 10], aux: true},
  {what: 'slopes and sinks before the keys', alibiSlopes: [0.5, -0.25], queryOffset: -50, sinks: [-20, 10]},
];

const SINKS: readonly FarCase[] = [
  {what: 'far sinks', sinks: [3e38, -3e38]},
  {what: 'the farthest sinks', sinks: [LOWEST, -LOWEST]},
  {what: 'a sink beside none', sinks: [-Infinity, 1e38]},
];

const SINKS_BIASES: readonly FarCase[] = [
  {what: 'sinks beside far biases', sinks: [-2e38, -3e38], keyBias: [-3e38]},
  {what: 'sinks equal to far biases', sinks: [1e38, -3e38], keyBias: [1e38, -3e38]},
];

/** Their sums are past float32, their means are not: in one pass over the keys and in several, beside all that scores may have. */
const HUGE_VALUES: readonly FarCase[] = [
  {what: 'huge values', value: [1e38]},
  {what: 'the largest values', value: [3.4e38], pattern: 'full()'},
  {what: 'huge values beside small ones', value: [3e38, 1e-30, 1, 1e-33]},
  {what: 'huge values in a window', value: [3e38], pattern: 'slidingWindow(left: 5, right: 2)'},
  {what: 'huge values in two passes', value: [3e38], pattern: 'strided(stride: 4) or blockLocal(size: 8)'},
  {what: 'huge values and far scores', value: [3e38], query: 1e6, key: 1e6, without: ['query', 'key']},
  {
    what: 'huge values beside a bias, sinks and lengths',
    value: [3e38],
    keyBias: [-3e38, -3e38, 2],
    sinks: [1, -2],
    keyLengths: [KEYS - 3],
  },
];

const VALUES: readonly FarCase[] = [
  {what: 'values whose sum float32 holds', value: [5e37, 1e-30, 1, 1e-33]},
  {what: 'tiny values', value: [1e-36], without: ['query', 'key']},
];

/** By what their kernels are, so that a spec takes few pipelines. */
export const FAR_CASES: Readonly<Record<string, readonly FarCase[]>> = {
  scales: SCALES,
  softcaps: SOFTCAPS,
  biases: [...BIASES, ...PAIR_BIASES],
  'relative biases': RELATIVE,
  'two biases': BOTH,
  slopes: ALIBI,
  'slopes and lengths': ALIBI_LENGTHS,
  'slopes and sinks': ALIBI_SINKS,
  sinks: SINKS,
  'sinks and biases': SINKS_BIASES,
  values: VALUES,
  'huge values': HUGE_VALUES,
};

export const filled = (numbers: readonly number[], length: number): Float32Array =>
  Float32Array.from({length}, (_, i) => numbers[i % numbers.length]!);

interface Spelled {
  readonly inputs: AttentionInputs;
  readonly attends: Attends;
  readonly says: OracleOptions;
  readonly tensors: Readonly<Record<string, tf.Tensor>>;
}

/** Values of one sign, and of more than half their factor, feature by feature: nothing cancels. */
export const withValues = (inputs: AttentionInputs, factors: readonly number[]): AttentionInputs => ({
  ...inputs,
  value: inputs.value.map((x, i) => (0.75 + x / 4) * factors[i % factors.length]!),
});

const TRAINED = ['query', 'key', 'value', 'bias', 'relativeBias', 'alibiSlopes', 'sinks'];

function spell(given: FarCase): Spelled {
  const drawn = randomInputs(SIZES, 3);
  const inputs: AttentionInputs = {
    ...(given.value ? withValues(drawn, given.value) : drawn),
    query: drawn.query.map((x) => x * (given.query ?? 1)),
    key: drawn.key.map((x) => x * (given.key ?? 1)),
  };
  const offset = given.queryOffset ?? KEYS - QUERIES;
  const pattern = parsePattern(given.pattern ?? 'full()');
  let attends: Attends = (q, k) => pattern.attends(q, k, {queryLength: QUERIES, keyLength: KEYS, queryOffset: offset});
  const biases: Bias[] = [];
  const tensors: Record<string, tf.Tensor> = {
    query: tf.tensor4d(inputs.query, [1, HEADS, QUERIES, DIM]),
    key: tf.tensor4d(inputs.key, [1, HEADS, KEYS, DIM]),
    value: tf.tensor4d(inputs.value, [1, HEADS, KEYS, DIM]),
  };
  const bias = given.keyBias ?? given.pairBias;
  if (bias !== undefined) {
    const shape: [number, number, number, number] = given.keyBias ? [1, 1, 1, KEYS] : [1, HEADS, QUERIES, KEYS];
    const data = filled(bias, tf.util.sizeFromShape(shape));
    tensors['bias'] = tf.tensor4d(data, shape);
    biases.push(broadcastBias(data, shape));
  }
  if (given.relativeBias !== undefined) {
    const data = filled(given.relativeBias, QUERIES + KEYS - 1);
    tensors['relativeBias'] = tf.tensor2d(data, [1, QUERIES + KEYS - 1]);
    biases.push(relativeBiasOf(data, 1, QUERIES, KEYS));
  }
  if (given.alibiSlopes !== undefined) {
    const slopes = filled(given.alibiSlopes, HEADS);
    tensors['alibiSlopes'] = tf.tensor1d(slopes);
    biases.push(alibiBias(slopes, offset));
  }
  const sinks = given.sinks && filled(given.sinks, HEADS);
  if (sinks) tensors['sinks'] = tf.tensor1d(sinks);
  if (given.keyLengths !== undefined) {
    tensors['keyLengths'] = tf.tensor1d([...given.keyLengths], 'int32');
    attends = withinLengths(attends, given.keyLengths);
  }
  return {
    inputs,
    attends,
    tensors,
    says: {
      ...(given.scale !== undefined && {scale: given.scale}),
      ...(given.softcap !== undefined && {softcap: given.softcap}),
      ...(biases.length > 0 && {bias: sumOfBiases(...biases)}),
      ...(sinks && {sinks}),
    },
  };
}

type Named = Readonly<Record<string, tf.Tensor>>;

function optionsOf({scale, softcap, queryOffset}: FarCase, tensors: Named, more: SparseAttentionOptions): SparseAttentionOptions {
  const {query: _q, key: _k, value: _v, ...rest} = tensors;
  return {
    ...(scale !== undefined && {scale}),
    ...(softcap !== undefined && {softcap}),
    ...(queryOffset !== undefined && {queryOffset}),
    ...rest,
    ...more,
  };
}

const patternOf = ({pattern}: FarCase): ReturnType<typeof full> => (pattern === undefined ? full() : parsePattern(pattern));

/** The largest absolute value of each feature. */
export function largest(data: ArrayLike<number>, width: number): Float64Array {
  const most = new Float64Array(width);
  for (let i = 0; i < data.length; i++) most[i % width] = Math.max(most[i % width]!, Math.abs(data[i]!));
  return most;
}

const PRECISION = 2 ** -17;

/** In units of the largest number of its feature, each of which float32 holds. */
export function expectNear(found: ArrayLike<number>, expected: ArrayLike<number>, unit: ArrayLike<number>, what: string): void {
  const scaled = (data: ArrayLike<number>): number[] =>
    Array.from(data, (x, i) => (unit[i % unit.length] === 0 ? x : x / unit[i % unit.length]!));
  expectWithin(scaled(found), scaled(expected), PRECISION, what);
}

/** Runs a case on the current backend and compares output and log-sum-exp with the oracle. */
export async function expectFar(given: FarCase, more: SparseAttentionOptions = {}): Promise<void> {
  const {inputs: whole, attends, says, tensors} = spell(given);
  const {query, key, value} = tensors;
  const inputs = more.precision === 'float16' ? inHalves(whole) : whole;
  const options = optionsOf(given, tensors, more);
  const found = sparseAttentionWithAux(query!, key!, value!, patternOf(given), options);
  await expectFarAttention(found, inputs, attends, says, given.what);
}

/** The same for results that are there. */
export async function expectFarAttention(
  found: {readonly output: tf.Tensor; readonly logSumExp: tf.Tensor},
  inputs: AttentionInputs,
  attends: Attends,
  says: OracleOptions,
  what: string,
): Promise<void> {
  const expected = oracleWithAux(inputs, attends, says);
  expectNear(await found.output.data(), expected.output, largest(inputs.value, inputs.valueDim), `output of ${what}`);
  const sums = await found.logSumExp.data();
  // Each row has a size of its own.
  const unit = Array.from(expected.logSumExp, (sum) => (Number.isFinite(sum) ? Math.max(1, Math.abs(sum)) : 1));
  const right = Array.from(expected.logSumExp, Math.fround);
  // Past float32 only the infinity of its sign is right.
  const same = (row: number): boolean => !Number.isFinite(right[row]!) && sums[row] === right[row];
  const seen = (data: ArrayLike<number>): number[] => Array.from(data, (sum, row) => (same(row) ? 0 : sum / unit[row]!));
  expectWithin(seen(sums), seen(right), PRECISION, `logSumExp of ${what}`);
}

/** The same for gradients of a sum of the output. */
export async function expectFarGradients(given: FarCase, more: SparseAttentionOptions = {}): Promise<void> {
  const {inputs, attends, says, tensors} = spell(given);
  const names = TRAINED.filter((name) => name in tensors);
  // Weights that no row sums to nothing: gradients of scores are then of the size of the values.
  const weights = Float32Array.from({length: HEADS * QUERIES * DIM}, (_, i) => ((i * 7) % 5) / 5 - 0.3);
  const weightsOfSums = given.aux ? Float32Array.from({length: HEADS * QUERIES}, (_, i) => ((i * 3) % 7) / 7 - 0.2) : undefined;
  const expected = oracleGradients(inputs, attends, says, weights, weightsOfSums);
  const loss = (...replaced: tf.Tensor[]): tf.Tensor => {
    const all = {...tensors, ...Object.fromEntries(names.map((name, i) => [name, replaced[i]!]))} as Named;
    const call = [all['query']!, all['key']!, all['value']!, patternOf(given), optionsOf(given, all, more)] as const;
    const {output, logSumExp}: {output: tf.Tensor; logSumExp?: tf.Tensor} = given.aux
      ? sparseAttentionWithAux(...call)
      : {output: sparseAttention(...call)};
    const sum = tf.sum(tf.mul(output, tf.tensor4d(weights, [1, HEADS, QUERIES, DIM])));
    return weightsOfSums ? tf.add(sum, tf.sum(tf.mul(logSumExp!, tf.tensor3d(weightsOfSums, [1, HEADS, QUERIES])))) : sum;
  };
  const gradients = tf.grads(loss)(names.map((name) => tensors[name]!));
  const right = expectedOf(given, expected);
  for (const [i, name] of names.entries()) {
    if (given.without?.includes(name)) continue;
    const wanted = right[name]!;
    const most = Math.max(...Array.from(wanted, Math.abs));
    expectNear(await gradients[i]!.data(), wanted, [most], `gradient of ${name} of ${given.what}`);
  }
}

function expectedOf(given: FarCase, gradients: ReturnType<typeof oracleGradients>): Record<string, ArrayLike<number>> {
  const {scores} = gradients;
  const bias = new Float64Array(given.pairBias ? scores.length : KEYS);
  const relativeBias = new Float64Array(QUERIES + KEYS - 1);
  const alibiSlopes = new Float64Array(HEADS);
  const offset = given.queryOffset ?? KEYS - QUERIES;
  for (const [i, score] of scores.entries()) {
    const [k, q, h] = [i % KEYS, Math.floor(i / KEYS) % QUERIES, Math.floor(i / KEYS / QUERIES)];
    bias[i % bias.length]! += score;
    relativeBias[k - q + QUERIES - 1]! += score;
    alibiSlopes[h]! -= score * Math.abs(q + offset - k);
  }
  const {query, key, value, sinks} = gradients;
  return {query, key, value, bias, relativeBias, alibiSlopes, ...(sinks && {sinks})};
}
