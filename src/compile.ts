import {compress, resolveShape, type Acsr, type PatternShape} from './acsr/index.js';
import {Pattern} from './pattern/index.js';
import {
  candidates,
  CORE_DEVICE,
  draw,
  makePlan,
  planMaskTensor,
  scratchLayout,
  toDense,
  tuningKey,
  type Device,
  type Implementation,
  type Plan,
  type Problem,
  type Storage,
} from './plan/index.js';
import {nearestName, refuse} from './support/index.js';
import {generate, halvesBytes, maskWordsBytes, type BindingRole, type Launch, type Program} from './wgsl/index.js';

export {compress} from './acsr/index.js';
export type {Acsr} from './acsr/index.js';
export {Pattern, fromMask, parsePattern} from './pattern/index.js';
export {
  CORE_DEVICE,
  TILES_VERSION,
  type Device,
  type Implementation,
  type MatrixConfig,
  type Plan,
  type Problem,
  type Storage,
} from './plan/index.js';
export type {BindingRole, CallParams, Launch, Program} from './wgsl/index.js';

/** Every stage of one attention, from what was asked to what will run. */
export interface Compiled {
  /** Null when the mask is a tensor. */
  readonly pattern: Pattern | null;
  readonly acsr: Acsr | null;
  readonly plan: Plan;
  readonly launches: readonly Launch[];
  /** Bytes of the buffers that live as long as a call: `scratch`, and what the first launches convert or pack tensors into. */
  readonly workBytes: WorkBytes;
}

export type WorkBytes = Readonly<Partial<Record<BindingRole, number>>>;

export interface CompileOptions {
  /** Default `auto`: the one predicted to be faster. */
  readonly implementation?: Implementation | 'auto';
  /** The call adds a bias to the scores. Default false. */
  readonly bias?: boolean;
  /** Default `float32`. */
  readonly storage?: Storage;
}

/** The whole idea. Pure: no tensors, no GPU, no clock. Every intermediate is kept, so that it can be shown. */
export function compile(pattern: Pattern, problem: Problem, device: Device, options: CompileOptions = {}): Compiled {
  const acsr = compress(pattern, problem);
  const plan = makePlan(acsr, problem, device, options.implementation, {storage: options.storage});
  const launches = generate(plan, {bias: options.bias ?? false});
  return Object.freeze({pattern, acsr, plan: Object.freeze(plan), launches, workBytes: workBytes(plan)});
}

/** The same for a mask that arrives as a boolean tensor of `maskShape`, broadcastable to [batch, heads, queryLength, keyLength]. */
export function compileMaskTensor(
  problem: Problem,
  device: Device,
  maskShape: readonly [number, number, number, number],
  options: CompileOptions = {},
): Compiled {
  const plan = planMaskTensor(problem, device, options.storage);
  const launches = generate(plan, {bias: options.bias ?? false, maskShape});
  return Object.freeze({
    pattern: null,
    acsr: null,
    plan: Object.freeze(plan),
    launches,
    workBytes: {...workBytes(plan), maskWords: maskWordsBytes(plan, maskShape)},
  });
}

/** What `tune` chooses from: the tile shapes that suit a call, and the key under which a choice is remembered. */
export function tuningOf(
  pattern: Pattern,
  problem: Problem,
  device: Device,
  storage: Storage,
): {readonly key: string; readonly names: readonly string[]} {
  const acsr = compress(pattern, problem);
  return {key: tuningKey(acsr, problem, storage), names: candidates(acsr, problem, device, storage)};
}

/** Kernels bind `scratch` always, so it has at least 16 bytes. */
export function workBytes(plan: Plan): WorkBytes {
  const scratch = Math.max(16, 16 * scratchLayout(plan).total);
  if (plan.storage === 'float32') return {scratch};
  const {query, key, value} = halvesBytes(plan);
  return {scratch, queryHalves: query, keyHalves: key, valueHalves: value};
}

/** All stages as text, in order: pattern, ACSR, plan with its drawing, launches, WGSL. Behind `explain()`, the goldens and the demo. */
export function explain({pattern, acsr, plan, launches}: Compiled): string {
  return [
    `pattern  ${pattern === null ? 'a mask tensor' : shorten(pattern.toString())}`,
    acsr === null ? '' : summary(acsr),
    planText(plan),
    launches.map(launchText).join('\n'),
    ...programsOf(launches).map(({key, code}) => `// ${key}\n${code}`),
  ]
    .filter((text) => text !== '')
    .join('\n\n');
}

/** The text of a mask has a word for every 32 pairs. */
const shorten = (text: string): string => (text.length <= 200 ? text : `${text.slice(0, 160)}… (${text.length} characters)`);

/** Each program once, in the order of their first launches. */
const programsOf = (launches: readonly Launch[]): Program[] => [
  ...new Map(launches.map(({program}) => [program.key, program])).values(),
];

function launchText({program: {name, bindings, invocations, workgroupBytes}, grid}: Launch): string {
  return `launch   ${name}: ${grid.join(' × ')} workgroups of ${invocations}, ${workgroupBytes} bytes shared; ${bindings.join(', ')}`;
}

/** What the caller of `planAttention` knows of a call. Lengths in tokens. */
export interface AttentionShape extends PatternShape {
  /** Features of a query and a key, 1 to 256. */
  readonly headDim: number;
  /** Features of a value. Default headDim. */
  readonly valueDim?: number;
  /** Default 1. */
  readonly heads?: number;
  /** Default 1. */
  readonly batch?: number;
  /** Default: the limits every WebGPU device guarantees. */
  readonly device?: Device;
  /** Default `auto`. */
  readonly implementation?: Implementation | 'auto';
  /** What the kernel reads. Default `float32`. */
  readonly precision?: Storage;
}

/** A frozen plan that can show itself. */
export interface AttentionPlan extends Plan {
  /** The mask the plan computes, row-major [queryLength · keyLength], 1 where the query attends to the key. */
  toDense(): Uint8Array;
  /** What was chosen, why, and a drawing. */
  toString(): string;
  /** Every stage from the pattern to the WGSL. */
  explain(): string;
}

const SHAPE_NAMES = [
  'queryLength',
  'keyLength',
  'queryOffset',
  'headDim',
  'valueDim',
  'heads',
  'batch',
  'device',
  'implementation',
  'precision',
];

/**
 * Plans an attention without running it: what it would compute, with which kernel, why, and at what predicted cost.
 *
 * ```ts
 * const plan = planAttention(slidingWindow({left: 128, right: 128}), {queryLength: 4096, keyLength: 4096, headDim: 64, heads: 8});
 * plan.implementation; // 'fused'
 * plan.density; // 0.0617…
 * plan.tileDensity; // 0.8…: of the pairs computed, the share that is attended
 * console.log(plan.toString());
 * ```
 *
 * @throws SplatError when a size or an option is not what it says.
 */
export function planAttention(pattern: Pattern, shape: AttentionShape): AttentionPlan {
  if (!(pattern instanceof Pattern)) {
    refuse('pattern', String(pattern), 'a Pattern', 'Build one with slidingWindow(…), causal(), parsePattern(text) and their kin.');
  }
  if (typeof shape !== 'object' || shape === null) {
    refuse('shape', String(shape), 'an object {queryLength, keyLength, headDim}', 'Pass the sizes of the call.');
  }
  for (const name of Object.keys(shape)) {
    if (SHAPE_NAMES.includes(name)) continue;
    const near = nearestName(name, SHAPE_NAMES);
    refuse(`shape.${name}`, 'an unknown name', SHAPE_NAMES.join(', '), near ? `Did you mean ${near}?` : 'Remove it.');
  }
  const problem = problemOf(shape);
  const device = shape.device ?? CORE_DEVICE;
  for (const [name, core] of Object.entries(CORE_DEVICE)) {
    const found = (device as unknown as Record<string, unknown>)[name];
    if (typeof found === typeof core && !Number.isNaN(found)) continue;
    refuse(`device.${name}`, String(found), `a ${typeof core}`, 'Leave the device out for the limits that every one has.');
  }
  const {implementation, precision = 'float32'} = shape;
  if (precision !== 'float32' && precision !== 'float16') {
    refuse('shape.precision', String(precision), 'float32 or float16', 'Leave it out for float32.');
  }
  const plan = makePlan(compress(pattern, problem), problem, device, implementation, {storage: precision});
  return Object.freeze({
    ...plan,
    toDense: () => toDense(plan),
    toString: () => planText(plan),
    explain: () => explain(compile(pattern, problem, device, {implementation, storage: precision})),
  });
}

/** Fills in the defaults of a shape and refuses sizes that cannot be. */
export function problemOf(shape: AttentionShape): Problem {
  const {headDim, valueDim = headDim, heads = 1, batch = 1} = shape;
  const whole = (name: string, value: number, from: number, to: number): void => {
    if (!Number.isInteger(value) || value < from || value > to) {
      refuse(name, String(value), `a whole number from ${from} to ${to}`, 'Check the shapes of query, key and value.');
    }
  };
  whole('headDim', headDim, 1, 256);
  whole('valueDim', valueDim, 1, 256);
  whole('heads', heads, 0, 65535);
  whole('batch', batch, 0, 65535);
  return {...resolveShape(shape), headDim, valueDim, heads, batch};
}

const MAX_SHOWN_RUNS = 6;

function summary({queryLength, keyLength, nnz, rowRuns, start, stride, count, irregularRows}: Acsr): string {
  const picked = [...new Set([0, 1, queryLength >> 1, queryLength - 1])].filter((row) => row >= 0 && row < queryLength);
  const rows = picked.map((row) => {
    const runs = [];
    for (let run = rowRuns[row]!; run < rowRuns[row + 1]!; run++) runs.push(`${start[run]} + ${stride[run]}·i, i < ${count[run]}`);
    const more = runs.length > MAX_SHOWN_RUNS ? `  ∪  ${runs.length - MAX_SHOWN_RUNS} more` : '';
    const shown = runs.slice(0, MAX_SHOWN_RUNS).join('  ∪  ');
    return `  row ${row}: ${irregularRows.includes(row) ? 'bits' : (shown || 'nothing') + more}`;
  });
  const irregular = irregularRows.length > 0 ? `, ${irregularRows.length} irregular rows` : '';
  return [`acsr     ${queryLength} × ${keyLength}, nnz ${nnz}, ${start.length} runs${irregular}`, ...rows].join('\n');
}

function planText(plan: Plan): string {
  const {problem, implementation, reason, nnz, density, tileDensity, costMs, bytes, tile, passes, slots} = plan;
  const items = passes.map(({itemBegin, itemEnd}) => itemEnd - itemBegin).join(' + ');
  return [
    `plan     ${implementation}: ${reason}`,
    `  query ${problem.queryLength} × key ${problem.keyLength}, offset ${problem.queryOffset}, ${problem.batch} × ${problem.heads} heads of ${problem.headDim} → ${problem.valueDim}`,
    `  nnz ${nnz}, density ${density.toFixed(4)}, tileDensity ${tileDensity.toFixed(3)}`,
    `  tile ${tile.rows} × ${tile.keys}, ${tile.threadsX} × ${tile.threadsY} invocations; ${items} work items, ${slots} partial`,
    kernelText(plan),
    `  predicted ${costMs.toPrecision(3)} ms on the reference GPU; ${bytes} bytes beside the tensors`,
    draw(plan),
  ]
    .filter((line) => line !== '')
    .join('\n')
    .trimEnd();
}

function kernelText({storage, matrix}: Plan): string {
  if (matrix !== null) return `  ${storage} on tensor cores, matrices of ${matrix.M} × ${matrix.N} × ${matrix.K}`;
  return storage === 'float16' ? '  float16 storage, float32 arithmetic' : '';
}
