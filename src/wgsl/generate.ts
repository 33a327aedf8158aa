import {ITEM_PAIRS, MERGE_PAIRS, scratchLayout, type Pass, type Plan} from '../plan/index.js';
import {ceilDiv, Lru} from '../support/index.js';
import {attendProgram} from './attend.js';
import {convertGrid, convertProgram} from './convert.js';
import {kernelShape} from './kernel_shape.js';
import {matrixProgram} from './matrix.js';
import {matrixShape} from './matrix_shape.js';
import {mergeGroups, mergeProgram} from './merge.js';
import {packGrid, packMaskProgram} from './pack_mask.js';
import {CONTINUES, KEEPS_SUM, packParams, type FixedParams} from './params.js';
import type {Launch, Program} from './program.js';

/** What the WGSL of a plan depends on beside the plan. */
export interface GenerateOptions {
  /** The call adds a bias to the scores. */
  readonly bias: boolean;
  /** [batch | 1, heads | 1, queryLength | 1, keyLength | 1] of a mask tensor that is packed before the kernel runs. */
  readonly maskShape?: readonly [number, number, number, number];
}

/** Bytes of `maskWords` for a mask tensor of this shape. */
export function maskWordsBytes(plan: Plan, [batch, heads, queries]: readonly number[]): number {
  return 4 * batch! * heads! * queries! * ceilDiv(plan.problem.keyLength, 32);
}

/** The dispatches of a plan, in order: convert the tensors, pack the mask if it is a tensor, then each pass and its merges. */
export function generate(plan: Plan, {bias, maskShape}: GenerateOptions): Launch[] {
  const {problem, offsets, passes, slots} = plan;
  const {batch, heads, queryLength, keyLength} = problem;
  const wordsPerRow = ceilDiv(keyLength, 32);
  const shared: Omit<FixedParams, 'flags' | 'first'> = {
    queryLength,
    keyLength,
    heads,
    spans: offsets.spans,
    intervals: offsets.intervals,
    wordsPerRow,
    slotBase: scratchLayout(plan).rows,
    slots,
    flagBase: scratchLayout(plan).flags,
    maskStrides: maskStrides(maskShape ?? [1, 1, queryLength, keyLength], wordsPerRow),
  };
  const launch = (program: Program, grid: Launch['grid'], first: number, flags: number): Launch => ({
    program,
    grid,
    params: (call) => packParams({...shared, first, flags}, call),
  });

  const launches: Launch[] = [];
  if (plan.storage === 'float16') launches.push(launch(convertProgram(plan), convertGrid(plan), batch * heads, 0));
  if (maskShape !== undefined) {
    const words = maskWordsBytes(plan, maskShape) / 4;
    launches.push(launch(packMaskProgram(maskShape[3]), packGrid(words), words, 0));
  }
  const attend = attendPrograms(plan, bias);
  const merge = slots > 0 ? mergeProgram(plan) : null;
  passes.forEach((pass, index) => {
    const flags = flagsOf(pass, index === passes.length - 1);
    const {itemBegin, itemEnd, mergeBegin, mergeEnd} = pass;
    for (const program of itemEnd > itemBegin ? attend : [])
      launches.push(launch(program, [heads, itemEnd - itemBegin, batch], offsets.items + ITEM_PAIRS * itemBegin, flags));
    if (merge !== null && mergeEnd > mergeBegin) {
      const grid: Launch['grid'] = [heads, (mergeEnd - mergeBegin) * mergeGroups(plan), batch];
      launches.push(launch(merge, grid, offsets.merges + MERGE_PAIRS * mergeBegin, flags));
    }
  });
  return launches;
}

/**
 * Kernels by their shape. Writing one out takes milliseconds, as long as planning 16,384 rows; models of many lengths need a handful.
 * A text derives from its shape alone, so remembering it changes nothing but time.
 */
const written = new Lru<string, Program>({entries: 32});

function remembered<Shape>(write: (shape: Shape) => Program, shape: Shape): Program {
  const name = JSON.stringify(shape);
  return written.get(name) ?? written.set(name, write(shape));
}

/** The kernels of a pass, in order. */
function attendPrograms(plan: Plan, bias: boolean): Program[] {
  if (plan.matrix === null) return [remembered(attendProgram, kernelShape(plan, bias))];
  return [false, true].map((exact) => remembered(matrixProgram, matrixShape(plan, plan.matrix!, bias, exact)));
}

const flagsOf = ({continues}: Pass, last: boolean): number => (continues ? CONTINUES : 0) | (last ? 0 : KEEPS_SUM);

/** Strides of `maskWords` in words; broadcast dimensions have stride 0. */
function maskStrides([batch, heads, queries]: readonly number[], wordsPerRow: number): [number, number, number, number] {
  const queryStride = queries === 1 ? 0 : wordsPerRow;
  const headStride = heads === 1 ? 0 : queries! * wordsPerRow;
  return [batch === 1 ? 0 : heads! * queries! * wordsPerRow, headStride, queryStride, 0];
}
