import {mulberry32} from '../test/oracle.js';
import {toHalf} from '../test/support/halves.js';

/** Host copies of query, key and value, [heads, n, headDim] each. */
export interface Inputs {
  readonly heads: number;
  readonly n: number;
  readonly headDim: number;
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** The same numbers on every machine. Queries reach to ±4, so that the scores spread (σ ≈ 1.3) and a missing key shows. */
export function benchInputs(heads: number, n: number, headDim: number): Inputs {
  return filled(heads, n, headDim, (random) => 2 * random - 1);
}

/** The same as multiples of reach / 2048, which float16 holds exactly: whoever rounds its inputs has the same ones as who does not. */
export function halfInputs(heads: number, n: number, headDim: number): Inputs {
  return filled(heads, n, headDim, (random) => Math.round((2 * random - 1) * 2048) / 2048);
}

/** `inputs` with keys whose norm grows thirtyfold from the first to the last: no maximum that a row has seen early is good for later. */
export function growingKeys(inputs: Inputs): Inputs {
  const {n, headDim} = inputs;
  const key = inputs.key.map((element, i) => toHalf(element * (0.2 + (5.8 * (Math.floor(i / headDim) % n)) / (n - 1))));
  return {...inputs, key};
}

function filled(heads: number, n: number, headDim: number, unit: (random: number) => number): Inputs {
  const random = mulberry32(12345);
  const fill = (reach: number): Float32Array => {
    const data = new Float32Array(heads * n * headDim);
    for (let i = 0; i < data.length; i++) data[i] = unit(random()) * reach;
    return data;
  };
  return {heads, n, headDim, query: fill(4), key: fill(1), value: fill(1)};
}

/** Packed float16 as numbers. */
export function fromHalves(bits: Uint16Array): Float32Array {
  const numbers = new Float32Array(65536);
  for (let half = 0; half < 65536; half++) {
    const [sign, exponent, fraction] = [half & 0x8000 ? -1 : 1, (half >> 10) & 31, half & 1023];
    const finite = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    numbers[half] = sign * (exponent < 31 ? finite : fraction === 0 ? Infinity : NaN);
  }
  return Float32Array.from(bits, (half) => numbers[half]!);
}

/** How far an output is from float64. */
export interface SampledErrors {
  /** The largest difference of an element. */
  readonly absolute: number;
  /** The largest length of a row's difference over the length of the row: one wrong key of 16,384 is 0.008, rounding to float16 is 0.0003. */
  readonly relative: number;
}

/**
 * The errors of `output` [heads, n, headDim] against float64 on sampled rows: the first, the last and six between, over the heads.
 * Infinity when an element is not finite. The benchmark uses it so that it can never time wrong answers.
 */
export function sampledErrors(
  inputs: Inputs,
  attends: (query: number, key: number, head: number) => boolean,
  output: ArrayLike<number>,
): SampledErrors {
  const {heads, n, headDim} = inputs;
  let [absolute, relative] = [0, 0];
  for (let sample = 0; sample < 8; sample++) {
    // Multiples of the golden ratio fall evenly, and on no pattern's period.
    const row = sample === 7 ? n - 1 : Math.floor(((sample * 0.6180339887) % 1) * n);
    const at = ((sample % heads) * n + row) * headDim;
    const found = rowErrors(
      inputs,
      sample % heads,
      row,
      attends,
      Array.from({length: headDim}, (_, d) => output[at + d]!),
    );
    absolute = Math.max(absolute, found.absolute);
    relative = Math.max(relative, found.relative);
  }
  return {absolute, relative};
}

/** The absolute one alone. */
export const sampledError = (inputs: Inputs, attends: (query: number, key: number) => boolean, output: ArrayLike<number>): number =>
  sampledErrors(inputs, attends, output).absolute;

/** Those of one row of the output. */
export function rowErrors(
  {n, headDim, query, key, value}: Inputs,
  head: number,
  row: number,
  attends: (query: number, key: number, head: number) => boolean,
  found: ArrayLike<number>,
): SampledErrors {
  const queryAt = (head * n + row) * headDim;
  const score = new Float64Array(n).fill(-Infinity);
  let max = -Infinity;
  for (let k = 0; k < n; k++) {
    if (!attends(row, k, head)) continue;
    let dot = 0;
    for (let d = 0; d < headDim; d++) dot += query[queryAt + d]! * key[(head * n + k) * headDim + d]!;
    score[k] = dot / Math.sqrt(headDim);
    max = Math.max(max, score[k]!);
  }
  const expected = new Float64Array(headDim);
  let sum = 0;
  for (let k = 0; k < n; k++) {
    const weight = Math.exp(score[k]! - max);
    sum += weight;
    for (let d = 0; d < headDim; d++) expected[d]! += weight * value[(head * n + k) * headDim + d]!;
  }
  let [absolute, squares, length] = [0, 0, 0];
  for (let d = 0; d < headDim; d++) {
    const error = Math.abs(found[d]! - expected[d]! / sum);
    absolute = Number.isFinite(error) ? Math.max(absolute, error) : Infinity;
    squares += error ** 2;
    length += (expected[d]! / sum) ** 2;
  }
  return {absolute, relative: absolute === Infinity ? Infinity : Math.sqrt(squares / length)};
}
