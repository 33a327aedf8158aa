import {ITEM, MERGE, scratchLayout, type Plan} from '../plan/index.js';
import {Lru} from '../support/index.js';
import {attendProgram} from './attend/attend.js';
import {convertGrid, convertProgram} from './around/convert.js';
import {PLAIN, pairsPerRow, scoreUnit, tailOf, type Features} from './text/features.js';
import {gatherGrid, gatherProgram, gathers} from './around/gather.js';
import {kernelShape} from './tile/kernel_shape.js';
import {matrixProgram} from './matrix/matrix.js';
import {matrixShape} from './matrix/matrix_shape.js';
import {mergeGroups, mergeProgram} from './around/merge.js';
import {packGrid, packMaskProgram} from './around/pack_mask.js';
import {logSumExpGrid, logSumExpProgram} from './around/log_sum_exp.js';
import {CONTINUES, KEEPS_SUM, RAGGED, packParams, type FixedParams} from './text/params.js';
import type {Launch, Program} from './text/program.js';

/** What the WGSL of a plan depends on beside the plan. */
export interface GenerateOptions {
  /** What the call adds to the scores. Default nothing. */
  readonly features?: Features;
  /** The caller wants the maximum and sum of each row (`rowSums`), or their log-sum-exp too. Default neither. */
  readonly aux?: 'rowSums' | 'logSumExp';
  /** The items of the plan say which sequence they belong to. Default false. */
  readonly ragged?: boolean;
  /** [batch | 1, heads | 1, queryLength | 1, keyLength | 1] of a mask tensor that is packed before the kernel runs. */
  readonly maskShape?: readonly [number, number, number, number];
}

/** The dispatches of a plan, in order: convert the tensors, pack the mask if it is a tensor, gather the small tensors, each pass and its merges. */
export function generate(plan: Plan, options: GenerateOptions = {}): Launch[] {
  const {features = PLAIN, aux, maskShape, ragged = false} = options;
  const {problem, passes, offsets, slots} = plan;
  const {batch, heads} = problem;
  const tail = tailOf(plan, features, maskShape ?? null);
  const launch = launchOf(plan, options);

  const launches: Launch[] = [];
  if (plan.storage === 'float16') launches.push(launch(convertProgram(plan), convertGrid(plan), 0, 0));
  if (maskShape !== undefined) launches.push(launch(packMaskProgram(maskShape[3]), packGrid(tail.maskPairs), 0, 0));
  if (gathers(features)) launches.push(launch(gatherProgram(features), gatherGrid(tail), 0, 0));
  const attend = attendPrograms(plan, features);
  const merge = slots > 0 ? mergeProgram(plan, features) : null;
  const lines = ragged ? 1 : batch;
  passes.forEach((pass, index) => {
    const keeps = index < passes.length - 1 || aux !== undefined;
    const flags = (pass.continues ? CONTINUES : 0) | (keeps ? KEEPS_SUM : 0) | (ragged ? RAGGED : 0);
    const {itemBegin, itemEnd, mergeBegin, mergeEnd} = pass;
    for (const program of itemEnd > itemBegin ? attend : [])
      launches.push(launch(program, [heads, itemEnd - itemBegin, lines], offsets.items + ITEM.pairs * itemBegin, flags));
    if (merge !== null && mergeEnd > mergeBegin) {
      const grid: Launch['grid'] = [heads, (mergeEnd - mergeBegin) * mergeGroups(plan), lines];
      launches.push(launch(merge, grid, offsets.merges + MERGE.pairs * mergeBegin, flags));
    }
  });
  if (aux === 'logSumExp') launches.push(launch(logSumExpProgram(features), logSumExpGrid(plan), 0, 0));
  return launches;
}

/** Completes a launch with the parameters that all launches of a plan share. */
export function launchOf(
  plan: Plan,
  {features = PLAIN, maskShape}: Pick<GenerateOptions, 'features' | 'maskShape'>,
  changes: Partial<FixedParams> = {},
): (program: Program, grid: Launch['grid'], first: number, flags: number) => Launch {
  const {problem, offsets, slots} = plan;
  const {batch, heads, keyHeads, packedHeads, queryLength, keyLength, queryOffset} = problem;
  const tail = tailOf(plan, features, maskShape ?? null);
  const shared: Omit<FixedParams, 'flags' | 'first'> = {
    queryLength,
    keyLength,
    heads,
    spans: offsets.spans,
    intervals: offsets.intervals,
    maskBits: tail.maskBits,
    slotBase: 0,
    slots,
    flagBase: scratchLayout(plan).flags,
    maskStrides: maskStrides(maskShape ?? [1, 1, queryLength, keyLength], pairsPerRow(keyLength)),
    keyHeads,
    groupSize: heads / keyHeads,
    packedHeads,
    queryOffset,
    extras: tail.at,
    pairs: tail.maskPairs,
    batch,
    share: [0, 0, heads],
    unit: scoreUnit(features),
    farScale: features.farScale,
    ...changes,
  };
  return (program, grid, first, flags) => ({
    program,
    grid,
    params: (call) => packParams({...shared, first, flags}, call),
  });
}

/**
 * Kernels by what writes them and by their shape. Writing one out takes milliseconds, as long as planning 16,384 rows; models of many lengths need a handful.
 * A text derives from its shape alone, so remembering it changes nothing but time.
 */
const written = new WeakMap<object, Lru<string, Program>>();

export function remembered<Shape>(write: (shape: Shape) => Program, shape: Shape): Program {
  let programs = written.get(write);
  if (programs === undefined) written.set(write, (programs = new Lru({entries: 32})));
  const name = JSON.stringify(shape);
  return programs.get(name) ?? programs.set(name, write(shape));
}

/** The kernels of a pass, in order. */
function attendPrograms(plan: Plan, features: Features): Program[] {
  if (plan.matrix === null) return [remembered(attendProgram, kernelShape(plan, features))];
  return [false, true].map((exact) => remembered(matrixProgram, matrixShape(plan, plan.matrix!, features, exact)));
}

/** What the tensor-core kernel knows; plans of calls with more go without it. */
export const suitsMatrices = (features: Features): boolean =>
  !Object.values({...features, bias: false, lengths: false}).includes(true);

/** Strides of the mask bits in pairs; broadcast dimensions have stride 0. */
function maskStrides([batch, heads, queries]: readonly number[], perRow: number): [number, number, number, number] {
  const queryStride = queries === 1 ? 0 : perRow;
  const headStride = heads === 1 ? 0 : queries! * perRow;
  return [batch === 1 ? 0 : heads! * queries! * perRow, headStride, queryStride, 0];
}
