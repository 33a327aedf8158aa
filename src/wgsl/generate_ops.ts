import {ceilDiv} from '../support/index.js';
import {activationProgram, ACTIVATION_INVOCATIONS, type Activation} from './ops/activation.js';
import {normColumns, normProgram, registersOf, type NormShape} from './ops/norm.js';
import {
  rowChunksOf,
  chunkSumProgram,
  columnSumProgram,
  normScratchBytes,
  rowGradientProgram,
  SUM_COLUMNS,
} from './ops/norm_gradient.js';
import {packOpParams, type OpNumbers} from './ops/op_params.js';
import {gridOf} from './text/grid.js';
import type {BindingRole, Launch, Program} from './text/program.js';

/** Launches of an op that has no plan. */
export interface OpLaunches {
  readonly plan: null;
  readonly launches: readonly Launch[];
  readonly tail: {readonly pairs: 0};
  readonly workBytes: Readonly<Partial<Record<BindingRole, number>>>;
}

/** A norm of rows [rows, width]. */
export interface NormSizes extends NormShape {
  readonly rows: number;
  readonly width: number;
  readonly epsilon: number;
}

/** Longer rows do not fit the registers of a workgroup. */
export const MOST_WIDTH = 16384;

const launchesOf = (launches: readonly Launch[], workBytes: OpLaunches['workBytes'] = {}): OpLaunches =>
  Object.freeze({
    plan: null,
    launches: Object.freeze(launches),
    tail: Object.freeze({pairs: 0}),
    workBytes: Object.freeze(workBytes),
  });

const launch = (program: Program, grid: Launch['grid'], numbers: OpNumbers): Launch =>
  Object.freeze({program, grid: Object.freeze(grid), params: () => packOpParams(numbers)});

const numbersOf = ({rows, width, epsilon}: NormSizes): OpNumbers => ({rows, columns: normColumns(width), width, epsilon});

/** One launch: x [rows, width], and residual, gamma [width], beta [width] where there are any, into output and sum. */
export const generateNorm = (sizes: NormSizes): OpLaunches =>
  launchesOf([launch(normProgram(sizes, sizes.width), gridOf(sizes.rows, registersOf(sizes.width).group.rows), numbersOf(sizes))]);

/** One launch for dX; where there is a gamma or a beta two more, for dGamma and dBeta. */
export function generateNormGradients(sizes: NormSizes): OpLaunches {
  const {rows, width} = sizes;
  const chunks = rowChunksOf(rows);
  const numbers = {...numbersOf(sizes), ...chunks};
  const own = launch(rowGradientProgram(sizes, width), gridOf(rows, registersOf(width).group.rows), numbers);
  if (!sizes.gamma && !sizes.beta) return launchesOf([own]);
  const columns = ceilDiv(normColumns(width), SUM_COLUMNS);
  return launchesOf(
    [
      own,
      launch(columnSumProgram(sizes, width), [columns, chunks.chunks, 1], numbers),
      launch(chunkSumProgram(sizes, width), [columns, 1, 1], numbers),
    ],
    {scratch: normScratchBytes(rows, width)},
  );
}

/** One launch: x into output, or x and dOutput into dX. */
export function generateActivation(activation: Activation, size: number, gradient: boolean): OpLaunches {
  const inFours = size % 4 === 0;
  const columns = inFours ? size / 4 : size;
  const program = activationProgram(activation, gradient, inFours);
  return launchesOf([launch(program, gridOf(columns, ACTIVATION_INVOCATIONS), {rows: 1, columns})]);
}
