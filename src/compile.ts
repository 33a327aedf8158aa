import {compress, resolveShape, type Acsr, type PatternShape} from './acsr/index.js';
import type {Stages} from './explain.js';
import type {Pattern} from './pattern/index.js';
import {
  candidates,
  gradientScratch,
  isWide,
  makeGradientPlan,
  makePlan,
  planMaskTensor,
  scratchLayout,
  tuningKey,
  type Device,
  type Implementation,
  type Plan,
  type Problem,
  type Storage,
} from './plan/index.js';
import {refuse, type Given} from './support/index.js';
import {
  generate,
  generateGradients,
  generateRounding,
  generateScoreGradients,
  halvesBytes,
  keyResults,
  PLAIN,
  roundedBytes,
  suitsMatrices,
  tailOf,
  type BindingRole,
  type Features,
  type GenerateOptions,
  type Launch,
  type ScoreSums,
  type Tail,
} from './wgsl/index.js';

export {
  checkAcsr,
  compress,
  positionOf,
  reachOf,
  repeatRows,
  slotOf,
  toSlots,
  type Acsr,
  type Reach,
  type SlotLayout,
} from './acsr/index.js';
export {acsrText, explain, launchesText, patternText, planText} from './explain.js';
export {Pattern, fromMask, parsePattern, refusePattern} from './pattern/index.js';
export {
  checkPlan,
  CHUNK_PAIRS,
  CORE_DEVICE,
  decodePlan,
  isWide,
  MOST_FEATURES,
  TILES_VERSION,
  type Device,
  type Implementation,
  type MatrixConfig,
  type Pass,
  type Plan,
  type Problem,
  type Storage,
  type TileShape,
} from './plan/index.js';
export {
  factorsOf,
  FAR_UNIT,
  generateAppend,
  generateStep,
  hasFarScores,
  isFarScale,
  PARAMS_BYTES,
  PLAIN,
  scoreUnit,
  type BindingRole,
  type CallParams,
  type Features,
  type HeldSequence,
  type Launch,
  type Layout,
  type Program,
  type ScoreSums,
  type Step,
} from './wgsl/index.js';

/** Every stage of one attention, from what was asked to what will run. */
export interface Compiled extends Stages {
  /** What the call adds to the scores, and the shape of its mask tensor, or null. */
  readonly features: Features;
  readonly maskShape: readonly [number, number, number, number] | null;
  /** What follows the schedule in its buffer. */
  readonly tail: Tail;
  /** Bytes of the buffers that live as long as a call: `scratch`, and what the first launches convert tensors into. */
  readonly workBytes: WorkBytes;
}

export type WorkBytes = Readonly<Partial<Record<BindingRole, number>>>;

export interface CompileOptions {
  /** Default `auto`: the one predicted to be faster. */
  readonly implementation?: Implementation | 'auto';
  /** What the call adds to the scores. Default nothing. */
  readonly features?: Features;
  /** What the call wants beside the output: the maximum and sum of each row, or their log-sum-exp too. Default neither. */
  readonly aux?: 'rowSums' | 'logSumExp';
  /** Default `float32`. */
  readonly storage?: Storage;
}

/** The whole idea. Pure: no tensors, no GPU, no clock. Every intermediate is kept, so that it can be shown. */
export function compile(pattern: Pattern, problem: Problem, device: Device, options: CompileOptions = {}): Compiled {
  return Object.freeze({...compileRows(compress(pattern, problem), problem, device, options), pattern});
}

/** The same from rows that are compressed already. */
export function compileRows(acsr: Acsr, problem: Problem, device: Device, options: CompileOptions = {}): Compiled {
  const {implementation, storage, features = PLAIN} = options;
  return complete(makePlan(acsr, problem, usable(device, features), implementation, {storage}), acsr, options);
}

/** A plan with what it launches. */
export function complete(plan: Plan, acsr: Acsr | null, options: GenerateOptions = {}): Compiled {
  return Object.freeze({
    pattern: null,
    acsr,
    plan: Object.freeze(plan),
    features: options.features ?? PLAIN,
    maskShape: options.maskShape ?? null,
    launches: isWide(plan.problem) ? generateRounding(plan) : generate(plan, options),
    tail: tailOf(plan, options.features ?? PLAIN, options.maskShape ?? null),
    workBytes: workBytes(plan),
  });
}

/** The backward pass of a call, ready to run. Its forward pass must have been compiled with `aux`. */
export interface CompiledGradients {
  readonly plan: Plan;
  readonly launches: readonly Launch[];
  readonly tail: Tail;
  readonly workBytes: WorkBytes;
}

/**
 * Compiles the gradients of query, key and value, or with `sums` those of scores: plan and kernels of their own, which compute in float32
 * with what the forward pass read.
 */
export function compileGradients(
  {plan, acsr, features, maskShape}: Compiled,
  dLogSumExp: boolean,
  sums?: ScoreSums,
): CompiledGradients {
  const gradients = makeGradientPlan(plan, acsr, keyResults(plan.problem, features, sums));
  const options = {features, dLogSumExp, ...(maskShape && {maskShape})};
  return Object.freeze({
    plan: gradients.rows,
    launches: sums === undefined ? generateGradients(gradients, options) : generateScoreGradients(gradients, sums, options),
    tail: tailOf(gradients.rows, features, maskShape),
    workBytes: {scratch: 16 * gradientScratch(gradients).total, ...(plan.storage === 'float16' && roundedBytes(plan))},
  });
}

/** Tensor cores are for calls whose features their kernel knows. */
const usable = (device: Device, features: Features): Device => (suitsMatrices(features) ? device : {...device, matrices: []});

/** The same for a mask that arrives as a boolean tensor of `maskShape`, broadcastable to [batch, heads, queryLength, keyLength]. */
export function compileMaskTensor(
  problem: Problem,
  device: Device,
  maskShape: readonly [number, number, number, number],
  options: CompileOptions = {},
): Compiled {
  const plan = planMaskTensor(problem, usable(device, options.features ?? PLAIN), options.storage);
  return complete(plan, null, {...options, maskShape});
}

/** What `tune` chooses from: the tile shapes that suit a call, and the key under which a choice is remembered. */
export function tuningOf(
  pattern: Pattern,
  problem: Problem,
  device: Device,
  {features = PLAIN, storage = 'float32'}: Pick<CompileOptions, 'features' | 'storage'> = {},
): {readonly key: string; readonly names: readonly string[]} {
  const acsr = compress(pattern, problem);
  return {key: tuningKey(acsr, problem, storage), names: candidates(acsr, problem, usable(device, features), storage)};
}

/** Nothing where TensorFlow.js ops compute. Kernels bind `scratch` and `rowSums` always, so they have at least 16 bytes. */
export function workBytes(plan: Plan): WorkBytes {
  if (isWide(plan.problem)) return {};
  const {batch, heads, queryLength} = plan.problem;
  const scratch = Math.max(16, 16 * scratchLayout(plan).total);
  const rowSums = plan.passes.length > 1 ? Math.max(16, 8 * batch * heads * queryLength) : 16;
  if (plan.storage === 'float32') return {scratch, rowSums};
  const {query, key, value} = halvesBytes(plan);
  return {scratch, rowSums, queryHalves: query, keyHalves: key, valueHalves: value};
}

/** What the caller of `planAttention` knows of a call. Lengths in tokens. */
export interface AttentionShape extends PatternShape {
  /** Features of a query and a key. */
  readonly headDim: number;
  /** Features of a value. Default headDim. */
  readonly valueDim?: number | null | undefined;
  /** Default 1. */
  readonly heads?: number | null | undefined;
  /** Heads of key and value, a divisor of heads. Default heads. */
  readonly keyHeads?: number | null | undefined;
  /** Default 1. */
  readonly batch?: number | null | undefined;
  /** Default: the limits every WebGPU device guarantees. */
  readonly device?: Device | null | undefined;
  /** Default `auto`. */
  readonly implementation?: Implementation | 'auto' | null | undefined;
  /** What the kernel reads. Default `float32`. */
  readonly precision?: Storage | null | undefined;
}

/** Elements of a tensor, whose indices are 32-bit integers. */
const MOST_ELEMENTS = 2 ** 31 - 1;

/** Fills in the defaults of a shape and refuses sizes that cannot be. */
export function problemOf(shape: PatternShape & Given<Omit<AttentionShape, keyof PatternShape>>): Problem {
  const {headDim, valueDim = headDim, heads = 1, keyHeads = heads, batch = 1} = shape;
  const whole = (name: string, value: number, from: number, to: number): void => {
    if (!Number.isInteger(value) || value < from || value > to) {
      refuse(name, String(value), `a whole number from ${from} to ${to}`, 'Check the shapes of query, key and value.');
    }
  };
  whole('headDim', headDim, 1, MOST_ELEMENTS);
  whole('valueDim', valueDim, 1, MOST_ELEMENTS);
  whole('heads', heads, 0, 65535);
  whole('batch', batch, 0, 65535);
  whole('keyHeads', keyHeads, 0, heads);
  if (keyHeads === 0 ? heads > 0 : heads % keyHeads !== 0) {
    refuse(
      'keyHeads',
      String(keyHeads),
      `a divisor of heads, ${heads}`,
      'Every head of keys serves the same number of query heads.',
    );
  }
  return {...resolveShape(shape), headDim, valueDim, heads, keyHeads, packedHeads: 1, batch};
}
