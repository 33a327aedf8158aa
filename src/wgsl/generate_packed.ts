import {ceilDiv} from '../support/index.js';
import type {PackedLists} from '../product/index.js';
import type {Problem} from '../plan/index.js';
import {gatherGrid, gatherProgram, gathers} from './around/gather.js';
import {remembered} from './generate.js';
import {
  packedColumns,
  packedMergeProgram,
  packedProductProgram,
  packedProductRows,
  type PackedProductShape,
} from './packed/packed_product.js';
import {packPackedParams, type PackedNumbers} from './packed/packed_params.js';
import {MOST_WEIGHED, packedScoresProgram, packedUnit, SCORE_ROWS, weighedWidth} from './packed/packed_scores.js';
import {packedSoftmaxProgram, softmaxGradientProgram, type PackedSoftmaxShape} from './packed/packed_softmax.js';
import {packedGroupOf, rowsOfGroup} from './packed/row_sums.js';
import {fieldsOf, tailOf} from './terms/fields.js';
import type {Features} from './text/features.js';
import {gridOf} from './text/grid.js';
import {packParams} from './text/params.js';
import type {BindingRole, Launch, LaunchPart, Program} from './text/program.js';

/** Launches over packed numbers, with the lists that they read. */
export interface PackedLaunches {
  readonly plan: null;
  readonly launches: readonly Launch[];
  readonly tail: {readonly pairs: number};
  readonly workBytes: Readonly<Partial<Record<BindingRole, number>>>;
  readonly schedule: Int32Array;
}

/** Heads of all sequences. */
export interface PackedLines {
  readonly batch: number;
  readonly heads: number;
}

const launchesOf = (
  launches: readonly Launch[],
  {words}: PackedLists,
  workBytes: PackedLaunches['workBytes'] = {},
  pairs = 0,
): PackedLaunches =>
  Object.freeze({
    plan: null,
    launches: Object.freeze(launches),
    tail: Object.freeze({pairs}),
    workBytes: Object.freeze(workBytes),
    schedule: words,
  });

/** A launch of so many workgroups, which are predicted to take so long together and may run in several dispatches. */
function over(
  program: Program,
  of: 'items' | 'merges',
  groups: number,
  ms: number,
  params: (begin: number, end: number) => Launch['params'],
): Launch {
  const part = (begin: number, end: number): LaunchPart => {
    const own = (ms * (end - begin)) / Math.max(1, groups);
    return {
      grid: Object.freeze(gridOf(end - begin, 1)),
      range: Object.freeze({of, begin, end, weight: of === 'items' ? end - begin : null, ms: own}),
      params: params(begin, end),
      cut: (most) => {
        const each = Math.max(1, Math.floor((most * groups) / Math.max(ms, 1e-9)));
        const parts: LaunchPart[] = [];
        for (let from = begin; from < end; from += each) parts.push(part(from, Math.min(end, from + each)));
        return parts;
      },
    };
  };
  return Object.freeze({program, ...part(0, groups)});
}

const packed =
  (numbers: Omit<PackedNumbers, 'first' | 'end'>) =>
  (first: number, end: number): Launch['params'] =>
  () =>
    packPackedParams({...numbers, first, end});

/** Milliseconds of a number of a row of 64, or of one alone: docs/benchmarks.md, of the measured GPU. */
const MS_OF_PRODUCT = 20e-9;
const MS_OF_NUMBER = 3e-9;

export interface SoftmaxOptions extends PackedLines {
  readonly sinks: boolean;
}

/** One launch: values [batch, heads, nnz], and sinks [heads], into output. */
export function generatePackedSoftmax(lists: PackedLists, {batch, heads, sinks}: SoftmaxOptions): PackedLaunches {
  return softmaxLaunches(packedSoftmaxProgram, lists, {batch, heads, sinks});
}

/** One launch: weights as values and dOutput into output, the gradient of scores, and dSinks [batch, heads, rows]. */
export function generateSoftmaxGradient(lists: PackedLists, {batch, heads, sinks}: SoftmaxOptions): PackedLaunches {
  return softmaxLaunches(softmaxGradientProgram, lists, {batch, heads, sinks});
}

function softmaxLaunches(
  write: (shape: PackedSoftmaxShape) => Program,
  lists: PackedLists,
  {batch, heads, sinks}: SoftmaxOptions,
): PackedLaunches {
  const {shared, nnz, rows} = lists;
  const group = packedGroupOf(lists);
  const groups = ceilDiv(rows, rowsOfGroup(group));
  const program = remembered(write, {group, shared, sinks});
  const ms = MS_OF_NUMBER * nnz * batch * heads;
  return launchesOf([over(program, 'items', groups * batch * heads, ms, packed({groups, heads, nnz, rows}))], lists);
}

export interface ProductOptions extends PackedLines {
  readonly dim: number;
  /** Heads of the numbers that read one head of x. */
  readonly headGroup: number;
  readonly xStrides: PackedNumbers['xStrides'];
  readonly outputStrides: PackedNumbers['outputStrides'];
  readonly scale: number;
  readonly zeroHides: boolean;
  readonly unroll: PackedProductShape['unroll'];
}

/** One launch over rows: values and x into output; where some rows are cut, one that adds their parts. */
export function generatePackedProduct(lists: PackedLists, options: ProductOptions): PackedLaunches {
  const {dim, batch, heads, headGroup, xStrides, outputStrides, scale, zeroHides, unroll} = options;
  const {shared, transposed, nnz, rows, items, merges, slots} = lists;
  const {chunks} = packedColumns(dim);
  const inParts = slots > 0;
  const numbers = {heads, nnz, rows, slots, headGroup, xStrides: xStrides!, outputStrides: outputStrides!, scale};
  const ms = ((MS_OF_PRODUCT * dim) / 64) * nnz * batch * heads;
  const lineCount = batch * heads * chunks;
  const groups = ceilDiv(items, packedProductRows(dim));
  const program = remembered(packedProductProgram, {dim, shared, transposed, inParts, zeroHides, unroll});
  const launches = [over(program, 'items', groups * lineCount, ms, packed({...numbers, groups}))];
  if (inParts) {
    const merge = remembered(packedMergeProgram, {dim, shared});
    launches.push(over(merge, 'merges', merges * lineCount, 0, packed({...numbers, groups: merges})));
  }
  const scratch = 16 * Math.ceil(dim / 4) * slots * batch * heads;
  return launchesOf(launches, lists, inParts ? {scratch} : {});
}

/** Whether rows are short enough for scores and softmax in one kernel. */
export const weighsAtOnce = ({longest, slots}: PackedLists): boolean => longest <= MOST_WEIGHED && slots === 0;

/** Scores of the pairs of lists, or weights with a `softmax`: what calls bring is copied behind the lists, then one launch. */
export function generatePackedScores(
  lists: PackedLists,
  problem: Problem,
  features: Features,
  softmax: {readonly sinks: boolean} | null = null,
): PackedLaunches {
  const {batch, heads, keyHeads, headDim, queryLength, keyLength, queryOffset} = problem;
  const {shared, nnz, items, slots, words} = lists;
  const tail = tailOf({problem, schedule: words, tile: {rows: 1}}, features, null);
  const fields = fieldsOf(features, {problem}, tail);
  const groups = ceilDiv(items, SCORE_ROWS);
  const params =
    (first: number, end: number): Launch['params'] =>
    (call) =>
      packParams(
        {
          ...{flags: 0, spans: 0, intervals: 0, maskBits: 0, slotBase: 0, slots: 0, flagBase: 0, maskStrides: [0, 0, 0, 0]},
          ...{queryLength, keyLength, heads, keyHeads, groupSize: heads / keyHeads, packedHeads: 1, queryOffset, batch},
          ...{copies: false, held: 0, share: [0, 0, heads], unit: packedUnit(features), farScale: features.farScale, rowKeys: 0},
          ...{first, bits: end, numbers: groups, pairs: nnz},
        },
        call,
        fields(call),
      );
  const program = remembered(packedScoresProgram, {
    ...{headDim, shared, inParts: slots > 0, features},
    softmax: softmax && {...softmax, width: weighedWidth(lists.longest)},
  });
  const ms = ((MS_OF_PRODUCT * headDim) / 64) * nnz * batch * heads;
  const launches: Launch[] = [];
  if (gathers(features))
    launches.push(Object.freeze({program: gatherProgram(features), grid: Object.freeze(gatherGrid(tail)), params: params(0, 0)}));
  launches.push(over(program, 'items', groups * batch * heads, ms, params));
  return launchesOf(launches, lists, {}, gathers(features) ? tail.pairs : 0);
}
