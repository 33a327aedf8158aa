import {converts, isRowWise, mostKeys, type Pass, type Work} from '../plan/index.js';
import {Lru} from '../support/index.js';
import {attendProgram, rowProgram} from './attend/attend.js';
import {rowShape} from './attend/row_shape.js';
import {convertGrid, convertProgram} from './around/convert.js';
import {tailOf} from './terms/fields.js';
import {PLAIN} from './terms/terms.js';
import type {Features} from './text/features.js';
import {gatherGrid, gatherProgram, gathers} from './around/gather.js';
import {kernelShape} from './tile/kernel_shape.js';
import {matrixProgram} from './matrix/matrix.js';
import {matrixShape} from './matrix/matrix_shape.js';
import {mergeGroups, mergeProgram} from './around/merge.js';
import {maskStatesProgram} from './around/mask_states.js';
import {packGrid, packMaskProgram} from './around/pack_mask.js';
import {hasStates} from './tile/states.js';
import {logSumExpGrid, logSumExpProgram} from './around/log_sum_exp.js';
import {launcher} from './launcher.js';
import {CONTINUES, KEEPS_SUM} from './text/params.js';
import type {Launch, Program} from './text/program.js';

/** What the WGSL of a plan depends on beside the plan. */
export interface GenerateOptions {
  /** What the call adds to the scores. Default nothing. */
  readonly features?: Features;
  /** The caller wants the maximum and sum of each row (`rowSums`), or their log-sum-exp too. Default neither. */
  readonly aux?: 'rowSums' | 'logSumExp';
  /** [batch | 1, heads | 1, queryLength | 1, keyLength | 1] of a mask tensor that is packed before the kernel runs. */
  readonly maskShape?: readonly [number, number, number, number];
}

/** The dispatches of a plan, in order: convert the tensors, pack the mask if it is a tensor, gather the small tensors, each pass and its merges. */
export function generate(plan: Work, options: GenerateOptions = {}): readonly Launch[] {
  const {features = PLAIN, aux, maskShape} = options;
  const {problem, passes} = plan;
  const {batch, heads} = problem;
  const tail = tailOf(plan, features, maskShape ?? null);
  const {one, over} = launcher(plan, options, {params: {rowKeys: mostKeys(plan)}});

  const launches: Launch[] = [];
  if (converts(plan.formats)) {
    const ofTensors = launcher(plan, options, {params: {copies: false}, layout: 'blhd'});
    launches.push(ofTensors.one(convertProgram(plan), convertGrid(plan)));
  }
  if (maskShape !== undefined) launches.push(one(packMaskProgram(maskShape[3]), packGrid(tail.maskPairs)));
  if (skipsTiles(passes)) launches.push(one(maskStatesProgram(plan.tile.rows), packGrid(tail.statePairs)));
  if (gathers(features)) launches.push(one(gatherProgram(features), gatherGrid(tail)));
  const lines = [heads, batch] as const;
  passes.forEach((pass, index) => {
    const keeps = index < passes.length - 1 || aux !== undefined;
    const flags = (pass.continues ? CONTINUES : 0) | (keeps ? KEEPS_SUM : 0);
    for (const [number, program] of attendPrograms(plan, features, pass).entries())
      launches.push(...over(program, 'items', pass, lines, flags, {repairs: number > 0}));
    const own = {...plan, tile: pass.tile};
    if (pass.mergeEnd > pass.mergeBegin)
      launches.push(...over(mergeProgram(own, features, pass.kinds), 'merges', pass, lines, flags, {groups: mergeGroups(own)}));
  });
  if (aux === 'logSumExp') launches.push(one(logSumExpProgram(features), logSumExpGrid(plan)));
  return Object.freeze(launches);
}

/** Whether a kernel asks what the tiles of a mask tensor hold. */
export const skipsTiles = (passes: readonly Pass[]): boolean => passes.some(({kinds}) => hasStates(kinds));

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
function attendPrograms(plan: Work, features: Features, {kinds, tile}: Pass): Program[] {
  if (isRowWise(kinds)) return [remembered(rowProgram, rowShape(plan, features, kinds))];
  if (plan.matrix === null || tile.queries !== 'fragments')
    return [remembered(attendProgram, kernelShape({...plan, tile}, features, kinds))];
  return [false, true].map((exact) => remembered(matrixProgram, matrixShape(plan, plan.matrix!, features, exact, kinds)));
}
