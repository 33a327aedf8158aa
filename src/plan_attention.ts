import {compressLines, resolveShape, type Lengths} from './acsr/index.js';

import {compile} from './compile.js';
import {explain, planText} from './explain.js';
import {Pattern, refusePattern} from './pattern/index.js';
import {
  checkDevice,
  CORE_DEVICE,
  formatsOf,
  makePlan,
  toDense,
  type Device,
  type Implementation,
  type LineName,
  type Plan,
  type Problem,
  type Precision,
} from './plan/index.js';
import {oneOf, readOptions, refuse, say, type Given, type NamesOf, type OptionWords} from './support/index.js';

/** What the caller of `planAttention` knows of a call. Lengths in tokens. */
export interface AttentionShape extends Lengths {
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
  readonly precision?: Precision | null | undefined;
}

/** One head of one sequence. */
export interface HeadOfBatch {
  /** Which head. Default 0. */
  readonly head?: number | null | undefined;
  /** Which sequence of the batch. Default 0. */
  readonly batch?: number | null | undefined;
}

/** A frozen plan that can show itself. */
export interface AttentionPlan extends Plan {
  /**
   * The mask the plan computes for a head of a sequence, by default the first: row-major [queryLength · keyLength], 1 where the query attends
   * to the key.
   *
   * @throws SplatError when there is no such head or sequence.
   */
  toDense(of?: HeadOfBatch): Uint8Array;
  /** What was chosen, why, and a drawing. */
  toString(): string;
  /** Every stage from the pattern to the WGSL. */
  explain(): string;
}

export const SHAPE_NAMES: NamesOf<AttentionShape> = {
  queryLength: true,
  keyLength: true,
  queryOffset: true,
  headDim: true,
  valueDim: true,
  heads: true,
  keyHeads: true,
  batch: true,
  device: true,
  implementation: true,
  precision: true,
};
const WORDS: OptionWords = {
  all: 'shape',
  expected: 'an object {queryLength, keyLength, headDim}',
  cure: 'Pass the sizes of the call.',
  one: (name) => `shape.${name}`,
};

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
export function planAttention(pattern: Pattern, given: AttentionShape): AttentionPlan {
  if (!(pattern instanceof Pattern)) refusePattern('pattern', pattern);
  const shape = readOptions(given, SHAPE_NAMES, WORDS);
  const problem = problemOf(shape);
  const device = checkDevice(shape.device ?? CORE_DEVICE);
  const {implementation, precision = 'float32'} = shape;
  oneOf('shape.precision', precision, ['float32', 'float16'], 'Leave it out for float32.');
  const plan = makePlan(compressLines(pattern, problem), problem, device, implementation, {formats: formatsOf(precision)});
  return Object.freeze({
    ...plan,
    toDense: (of: HeadOfBatch = {}) => toDense(plan, lineOf(of, problem)),
    toString: () => planText(plan),
    explain: () => explain(compile(pattern, problem, device, {implementation, precision})),
  });
}

export const LINE_NAMES: NamesOf<HeadOfBatch> = {head: true, batch: true};

function lineOf(given: HeadOfBatch, {heads, batch}: Problem): LineName {
  const line = readOptions(given, LINE_NAMES, {
    all: 'toDense',
    expected: 'an object {head, batch}',
    cure: 'Leave it out for the first head of the first sequence.',
    one: (name) => `toDense: ${name}`,
  });
  for (const [name, of] of [
    ['head', heads],
    ['batch', batch],
  ] as const) {
    const found = line[name] ?? 0;
    if (!Number.isInteger(found) || found < 0 || found >= of)
      refuse(`toDense: ${name}`, say(found), `a whole number from 0 to ${of - 1}`, 'The plan was made for as many: see its shape.');
  }
  return line;
}

/** Elements of a tensor, whose indices are 32-bit integers. */
const MOST_ELEMENTS = 2 ** 31 - 1;

/** Fills in the defaults of a shape and refuses sizes that cannot be. */
export function problemOf(shape: Lengths & Given<Omit<AttentionShape, keyof Lengths>>): Problem {
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
