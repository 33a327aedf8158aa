import {OPERANDS, type OperandName} from '../../src/plan/index.js';
import type {AttentionInputs} from '../oracle.js';

const LARGEST_HALF = 65504;

/** The nearest float16, ties to even; infinite past the largest. */
export function toHalf(value: number): number {
  const size = Math.abs(value);
  if (!(size > 0) || size === Infinity) return value;
  // Ten bits after the leading one, and never finer than the smallest subnormal.
  const step = 2 ** Math.max(Math.floor(Math.log2(size)) - 10, -24);
  const low = Math.floor(size / step);
  const rest = size / step - low;
  const rounded = step * (rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low);
  return Math.sign(value) * (rounded > LARGEST_HALF ? Infinity : rounded);
}

/** The inputs as the conversion to float16 leaves them, or some of them: finite floats past the largest half become it. */
export function inHalves(inputs: AttentionInputs, operands: readonly OperandName[] = OPERANDS): AttentionInputs {
  const read = (x: number): number => toHalf(Number.isFinite(x) ? Math.max(-LARGEST_HALF, Math.min(x, LARGEST_HALF)) : x);
  return {...inputs, ...Object.fromEntries(operands.map((operand) => [operand, inputs[operand].map(read)]))};
}
