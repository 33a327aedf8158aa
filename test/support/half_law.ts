import type {AttentionInputs, Attends, OracleOptions} from '../oracle.js';
import {inHalves, toHalf} from './halves.js';

/**
 * How far attention on tensor cores may be from float64, in rows of `BLOCK`: they multiply halves, so a probability is rounded to one before
 * it weighs a value, whatever else is exact. The law compares with just that: float64 attention on the same halves whose probabilities, in
 * units of the sum of their row, are rounded to halves.
 *
 *     ‖found − exact‖ ≤ 1.3 · ‖rounded − exact‖ + 4 · ‖single − exact‖ + 2^-20 · max|value|, root mean squares over a block
 *
 * A unit that suits one row is bad luck for another (a probability of 1 is a half, one of 1.1 is not), and a kernel has its own; so the
 * largest over a few units counts. `single` computes scores in float32: negligible, unless scores are in the hundreds.
 */
const UNITS = [1, 1.12, 1.3, 1.5, 1.75].map((unit) => 1 / unit);
const FACTOR = 1.3;
const BLOCK = 32;
/** Scores of the kernels with a bias, which may be as low as float32 goes: in units of 16. Others are in units of log2. */
const WIDE = 16;

interface Outputs {
  readonly exact: Float64Array;
  readonly rounded: readonly Float64Array[];
  readonly single: Float64Array;
}

/** Attention in float64 on inputs that are halves already, exactly and with the two kinds of rounding. */
function attend(inputs: AttentionInputs, attends: Attends, {scale, bias}: OracleOptions): Outputs {
  const {batch, heads, queryLength, keyLength, headDim, valueDim, query, key, value} = inputs;
  const factor = scale ?? 1 / Math.sqrt(headDim);
  const unit = bias === undefined ? Math.LN2 : WIDE;
  const inUnits = Math.fround(factor / unit);
  const zeros = (): Float64Array => new Float64Array(batch * heads * queryLength * valueDim);
  const outputs = {exact: zeros(), rounded: UNITS.map(zeros), single: zeros()};
  const scores = new Float64Array(keyLength);
  const singles = new Float64Array(keyLength);
  for (let line = 0; line < batch * heads; line++) {
    const [b, h] = [Math.floor(line / heads), line % heads];
    for (let q = 0; q < queryLength; q++) {
      const keys: number[] = [];
      let [most, mostSingle] = [-Infinity, -Infinity];
      for (let k = 0; k < keyLength; k++) {
        if (!attends(q, k, b, h)) continue;
        const added = bias?.(b, h, q, k) ?? 0;
        if (added === -Infinity) continue;
        let [dot, single] = [0, 0];
        for (let d = 0; d < headDim; d++) {
          const product = query[(line * queryLength + q) * headDim + d]! * key[(line * keyLength + k) * headDim + d]!;
          dot += product;
          single = Math.fround(single + product);
        }
        keys.push(k);
        scores[k] = factor * dot + added;
        singles[k] = Math.fround(Math.fround(single * inUnits) + added / unit);
        most = Math.max(most, scores[k]!);
        mostSingle = Math.max(mostSingle, singles[k]!);
      }
      if (keys.length === 0) continue;
      let [sum, singleSum] = [0, 0];
      for (const k of keys) {
        sum += scores[k] = Math.exp(scores[k]! - most);
        singleSum += singles[k] = Math.fround(Math.exp((singles[k]! - mostSingle) * unit));
      }
      const weigh = (output: Float64Array, weight: (k: number) => number): void => {
        const to = (line * queryLength + q) * valueDim;
        for (const k of keys) {
          const p = weight(k);
          if (p === 0) continue;
          const from = (line * keyLength + k) * valueDim;
          for (let d = 0; d < valueDim; d++) output[to + d]! += p * value[from + d]!;
        }
      };
      weigh(outputs.exact, (k) => scores[k]! / sum);
      weigh(outputs.single, (k) => singles[k]! / singleSum);
      UNITS.forEach((unit, i) => weigh(outputs.rounded[i]!, (k) => toHalf((unit * scores[k]!) / sum) / unit));
    }
  }
  return outputs;
}

/** Every row of a block that breaks the law, the worst first, as a sentence each. `found` is [batch, heads, queryLength, valueDim]. */
export function lawBreaks(
  found: ArrayLike<number>,
  inputs: AttentionInputs,
  attends: Attends,
  options: OracleOptions = {},
): readonly string[] {
  const halves = inHalves(inputs);
  const {queryLength, valueDim, batch, heads} = halves;
  const {exact, rounded, single} = attend(halves, attends, options);
  if (found.length !== exact.length) return [`${found.length} elements, expected ${exact.length}`];
  let maxValue = 0;
  for (const x of halves.value) maxValue = Math.max(maxValue, Math.abs(x));

  const breaks: {readonly times: number; readonly text: string}[] = [];
  for (let line = 0; line < batch * heads; line++) {
    for (let row = 0; row < queryLength;) {
      // A few last rows go with the block before them: few numbers say little about an error.
      const end = queryLength - row < 2 * BLOCK ? queryLength : row + BLOCK;
      const [from, to] = [(line * queryLength + row) * valueDim, (line * queryLength + end) * valueDim];
      const error = distance(found, exact, from, to);
      const half = Math.max(...rounded.map((each) => distance(each, exact, from, to)));
      const limit = FACTOR * half + 4 * distance(single, exact, from, to) + 2 ** -20 * maxValue;
      if (!(error <= limit)) {
        const size = distance(exact, new Float64Array(exact.length), from, to);
        const at = worst(found, exact, from, to);
        breaks.push({
          times: Number.isNaN(error) ? Infinity : error / limit,
          text:
            `rows ${row} to ${end - 1} of batch ${Math.floor(line / heads)}, head ${line % heads}: relative error ${(error / size).toExponential(2)}, ` +
            `allowed ${(limit / size).toExponential(2)} (rounding to halves ${(half / size).toExponential(2)}); ` +
            `worst in row ${Math.floor(at / valueDim) - line * queryLength}, feature ${at % valueDim}: found ${found[at]}, expected ${exact[at]}`,
        });
      }
      row = end;
    }
  }
  return breaks.sort((a, b) => b.times - a.times).map(({text}) => text);
}

/** Root mean square of a difference; NaN and infinities stay. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>, from: number, to: number): number {
  let sum = 0;
  for (let i = from; i < to; i++) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum / Math.max(1, to - from));
}

function worst(a: ArrayLike<number>, b: ArrayLike<number>, from: number, to: number): number {
  let at = from;
  for (let i = from; i < to; i++) {
    if (!Number.isFinite(a[i]!)) return i;
    if (Math.abs(a[i]! - b[i]!) > Math.abs(a[at]! - b[at]!)) at = i;
  }
  return at;
}

/** Fails the current spec unless every block of rows keeps the law; says what was found in the worst one. */
export function expectLaw(
  found: ArrayLike<number>,
  inputs: AttentionInputs,
  attends: Attends,
  options: OracleOptions,
  what: string,
): void {
  const breaks = lawBreaks(found, inputs, attends, options);
  const more = breaks.length > 1 ? ` (and ${breaks.length - 1} more blocks)` : '';
  expect(breaks[0] === undefined ? 'right' : `${breaks[0]}${more}`)
    .withContext(what)
    .toBe('right');
}
