import {compressingLines, compressLines, mapRows, repeatRows, stackRows, type Acsr, type Lines} from './acsr/index.js';
import type {Stages} from './explain.js';
import type {Pattern} from './pattern/index.js';
import {atOnce, type Sliced} from './support/index.js';
import {
  candidates,
  converts,
  decodePlan,
  gradientScratch,
  isWide,
  largestOf,
  gradientPlanning,
  planMaskTensor,
  planning,
  scratchLayout,
  tuningKey,
  type Device,
  type GradientPlan,
  type Implementation,
  type Plan,
  type Problem,
  formatsOf,
  type Precision,
  type Work,
} from './plan/index.js';
import {
  convertedBytes,
  generate,
  generateGradients,
  generateRounding,
  generateScoreGradients,
  generateStep,
  keyResults,
  PLAIN,
  roundedBytes,
  suitsMatrices,
  tailOf,
  type BindingRole,
  type DecodeStep,
  type Features,
  type GenerateOptions,
  type Held,
  type Launch,
  type ScoreSums,
  type Tail,
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
  readonly precision?: Precision;
}

/** The whole idea. Pure: no tensors, no GPU, no clock. Every intermediate is kept, so that it can be shown. */
export const compile = (...given: Parameters<typeof compiling>): Compiled => atOnce(compiling(...given));

/** The same, in slices. */
export function* compiling(pattern: Pattern, problem: Problem, device: Device, options: CompileOptions = {}): Sliced<Compiled> {
  const lines = yield* compressingLines(pattern, problem);
  yield;
  return Object.freeze({...(yield* compilingRows(lines, problem, device, options)), pattern});
}

/** The same from rows that are compressed already. */
export const compileRows = (...given: Parameters<typeof compilingRows>): Compiled => atOnce(compilingRows(...given));

function* compilingRows(lines: Lines, problem: Problem, device: Device, options: CompileOptions = {}): Sliced<Compiled> {
  const {implementation, precision = 'float32', features = PLAIN} = options;
  const formats = formatsOf(precision);
  const plan = yield* planning(lines, problem, device, implementation, {formats, matrices: suitsMatrices(features)});
  yield;
  return complete(plan, lines, options);
}

/** A plan with what it launches. */
export function complete(plan: Plan, lines: Lines | null, options: GenerateOptions = {}): Compiled {
  return Object.freeze({
    pattern: null,
    lines,
    plan: Object.freeze(plan),
    features: options.features ?? PLAIN,
    maskShape: options.maskShape ?? null,
    launches: isWide(plan.problem) ? generateRounding(plan) : generate(plan, options),
    tail: tailOf(plan, options.features ?? PLAIN, options.maskShape ?? null),
    workBytes: Object.freeze(workBytes(plan)),
  });
}

/** The backward pass of a call, ready to run. Its forward pass must have been compiled with `aux`. */
export interface CompiledGradients {
  readonly plan: Work;
  readonly launches: readonly Launch[];
  readonly tail: Tail;
  readonly workBytes: WorkBytes;
  /** Its row tiles, which are `plan`, and key tiles. */
  readonly gradients: GradientPlan;
}

/**
 * Compiles the gradients of query, key and value, or with `sums` those of scores: plan and kernels of their own, which compute in float32
 * with what the forward pass read.
 */
export const compileGradients = (...given: Parameters<typeof compilingGradients>): CompiledGradients =>
  atOnce(compilingGradients(...given));

/** The same, in slices. */
export function* compilingGradients(
  {plan, lines, features, maskShape}: Compiled,
  dLogSumExp: boolean,
  sums?: ScoreSums,
): Sliced<CompiledGradients> {
  const gradients = yield* gradientPlanning(plan, lines, keyResults(plan.problem, features, sums));
  // The kernels take some milliseconds of their own.
  yield;
  const options = {features, dLogSumExp, ...(maskShape && {maskShape})};
  return Object.freeze({
    plan: gradients.rows,
    launches: sums === undefined ? generateGradients(gradients, options) : generateScoreGradients(gradients, sums, options),
    tail: tailOf(gradients.rows, features, maskShape),
    workBytes: Object.freeze({
      scratch: 16 * gradientScratch(gradients).total,
      ...(converts(plan.formats) && roundedBytes(plan)),
    }),
    gradients,
  });
}

export interface StepOptions {
  /** What the call adds to the scores. */
  readonly features: Features;
  readonly precision: Precision;
  /** What the cache holds, new tokens included. */
  readonly held: Held;
}

/**
 * Compiles one step of decoding: `lines` are the new tokens of each sequence, or one entry for all, whose keys are slots of a cache. Where
 * `problem.packedHeads` query heads share a head of keys, each row serves all of them.
 */
export function compileStep(
  lines: readonly Lines[],
  problem: Problem,
  device: Device,
  {features, precision, held}: StepOptions,
): DecodeStep {
  const packed = packHeads(joinSequences(lines), problem.packedHeads);
  return generateStep(decodePlan(packed, problem, device, formatsOf(precision)), {features, held});
}

/** The lines of each sequence, or of all, as those of a batch. */
function joinSequences(lines: readonly Lines[]): Lines {
  if (lines.length === 1) return lines[0]!;
  const heads = Math.max(...lines.map((each) => each.heads));
  let known = 0;
  const of = lines.flatMap((each) => {
    const own = Array.from({length: heads}, (_, head) => known + each.of[each.heads === 1 ? 0 : head]!);
    known += each.rows.length;
    return own;
  });
  return {rows: lines.flatMap(({rows}) => rows), heads, batch: lines.length, of};
}

/** The rows of query heads that share a head of keys, one below the other, as those of one head. */
function packHeads(lines: Lines, packedHeads: number): Lines {
  if (packedHeads === 1) return lines;
  if (lines.heads === 1) return mapRows(lines, (acsr) => repeatRows(acsr, packedHeads));
  const heads = lines.heads / packedHeads;
  const rows: Acsr[] = [];
  const known = new Map<string, number>();
  const of = Array.from({length: lines.batch * heads}, (_, line) => {
    const group = lines.of.slice(line * packedHeads, (line + 1) * packedHeads);
    const found = known.get(group.join());
    if (found !== undefined) return found;
    known.set(group.join(), rows.length);
    return rows.push(stackRows(group.map((index) => lines.rows[index]!))) - 1;
  });
  return {rows, heads, batch: lines.batch, of};
}

/** The same for a mask that arrives as a boolean tensor of `maskShape`, broadcastable to [batch, heads, queryLength, keyLength]. */
export function compileMaskTensor(
  problem: Problem,
  device: Device,
  maskShape: readonly [number, number, number, number],
  options: CompileOptions = {},
): Compiled {
  const plan = planMaskTensor(problem, device, {
    formats: formatsOf(options.precision ?? 'float32'),
    matrices: suitsMatrices(options.features ?? PLAIN),
  });
  return complete(plan, null, {...options, maskShape});
}

/** What `tune` chooses from: the tile shapes that suit a call, and the key under which a choice is remembered. */
export function tuningOf(
  pattern: Pattern,
  problem: Problem,
  device: Device,
  {features = PLAIN, precision = 'float32'}: Pick<CompileOptions, 'features' | 'precision'> = {},
): {readonly key: string; readonly names: readonly string[]} {
  const acsr = largestOf(compressLines(pattern, problem));
  const formats = formatsOf(precision);
  return {key: tuningKey(acsr, problem, formats), names: candidates(acsr, problem, device, formats, suitsMatrices(features))};
}

/** Nothing where TensorFlow.js ops compute. Kernels bind `scratch` and `rowSums` always, so they have at least 16 bytes. */
export function workBytes(plan: Work): WorkBytes {
  if (isWide(plan.problem)) return {};
  const {batch, heads, queryLength} = plan.problem;
  const scratch = Math.max(16, 16 * scratchLayout(plan).total);
  const rowSums = plan.passes.length > 1 ? Math.max(16, 8 * batch * heads * queryLength) : 16;
  return {scratch, rowSums, ...convertedBytes(plan)};
}
