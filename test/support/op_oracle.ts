// What is right for norms and activations: float64 loops.
import type {Activation} from '../../src/wgsl/index.js';

export interface NormCase {
  readonly centred: boolean;
  readonly rows: number;
  readonly width: number;
  readonly epsilon: number;
}

type Numbers = ArrayLike<number>;

export interface NormTensors {
  readonly x: Numbers;
  readonly gamma?: Numbers | undefined;
  readonly beta?: Numbers | undefined;
  readonly residual?: Numbers | undefined;
}

/** [rows, width] of the norm, and of what it is of. */
export function normOracle(
  {centred, rows, width, epsilon}: NormCase,
  {x, gamma, beta, residual}: NormTensors,
  round = Math.fround,
) {
  // A norm is of the sum as an output has it.
  const sum = Float64Array.from(x, (value, i) => (residual === undefined ? value : round(value + residual[i]!)));
  const normal = new Float64Array(rows * width);
  const scales = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    const own = sum.subarray(row * width, (row + 1) * width);
    const mean = centred ? own.reduce((a, b) => a + b, 0) / width : 0;
    const variance = own.reduce((a, b) => a + (b - mean) ** 2, 0) / width;
    scales[row] = 1 / Math.sqrt(variance + epsilon);
    own.forEach((value, column) => (normal[row * width + column] = (value - mean) * scales[row]!));
  }
  const output = normal.map((value, i) => value * (gamma?.[i % width] ?? 1) + (beta?.[i % width] ?? 0));
  return {sum, normal, scales, output};
}

/** Gradients of Σ dOutput · output + Σ dSum · sum. */
export function normGradients(given: NormCase, tensors: NormTensors, dOutput: Numbers, dSum?: Numbers, round = Math.fround) {
  const {rows, width, centred} = given;
  const {normal, scales} = normOracle(given, tensors, round);
  const dX = new Float64Array(rows * width);
  const dGamma = new Float64Array(width);
  const dBeta = new Float64Array(width);
  for (let row = 0; row < rows; row++) {
    let [mean, along] = [0, 0];
    for (let column = 0, i = row * width; column < width; column++, i++) {
      const gradient = dOutput[i]! * (tensors.gamma?.[column] ?? 1);
      mean += gradient / width;
      along += (gradient * normal[i]!) / width;
      dGamma[column]! += dOutput[i]! * normal[i]!;
      dBeta[column]! += dOutput[i]!;
    }
    for (let column = 0, i = row * width; column < width; column++, i++) {
      const gradient = dOutput[i]! * (tensors.gamma?.[column] ?? 1);
      dX[i] = (gradient - (centred ? mean : 0) - normal[i]! * along) * scales[row]! + (dSum?.[i] ?? 0);
    }
  }
  return {dX, dGamma, dBeta};
}

/** The error function: its series, and beyond 3 the continued fraction of what is missing to 1. */
function erf(x: number): number {
  if (Math.abs(x) > 3) {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (Math.abs(x) + fraction);
    return Math.sign(x) * (1 - Math.exp(-x * x) / Math.sqrt(Math.PI) / (Math.abs(x) + fraction));
  }
  let [term, sum] = [x, x];
  for (let k = 1; k < 80; k++) {
    term *= (-x * x) / k;
    sum += term / (2 * k + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

export const ACTIVATION_ORACLES: Readonly<Record<Activation, (x: number) => number>> = {
  silu: (x) => x * sigmoid(x),
  erf: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  tanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  sigmoid: (x) => x * sigmoid(1.702 * x),
};

/** Of a function of one number, to about 1e-9. */
export const slopeAt = (f: (x: number) => number, x: number, step = 1e-4): number =>
  (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * step);
