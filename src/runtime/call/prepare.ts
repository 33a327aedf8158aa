import * as tf from '@tensorflow/tfjs-core';
import {oneOf, readOptions, refuse, say, type NamesOf, type OptionWords} from '../../support/index.js';
import {
  isWide,
  Pattern,
  PLAIN,
  problemOf,
  refusePattern,
  type Compiled,
  type CompileOptions,
  type Features,
  type Problem,
  type Precision,
} from '../../pure.js';
import {Host} from '../host/backend.js';
import {compressedLines, planInSlices} from './cache.js';
import {checkBackendPrecision} from './attention.js';
import {checkImplementation, checkPrecision} from './check.js';
import {defaultNumbers} from './check_scoring.js';
import {scoreOptions, termOf, type ScoreOption} from '../terms/terms.js';
import {checkBuffersFit} from '../launch/fits.js';
import {callParams} from '../launch/launch.js';
import {gradientsInSlices} from '../launch/launch_gradients.js';
import {makeResident, type Lasting} from '../launch/resident.js';
import {roundingOf} from './wide.js';

/** The sizes and options of the calls to come. */
export interface PrepareShape {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Features of a query and of a key. */
  readonly headDim: number;
  /** Features of a value. Default headDim. */
  readonly valueDim?: number | null | undefined;
  /** Default 1. */
  readonly heads?: number | null | undefined;
  /** Default 1. */
  readonly batch?: number | null | undefined;
  /** Default keyLength − queryLength. */
  readonly queryOffset?: number | null | undefined;
  /** Heads of key and value. Default heads. */
  readonly keyHeads?: number | null | undefined;
  /** The calls will be trained: what they need under a gradient is prepared beside what they need without. Default false. */
  readonly gradients?: boolean | null | undefined;
  /** The options that the calls will bring, such as ['bias', 'keyLengths']. Default none. */
  readonly options?: readonly ScoreOption[] | null | undefined;
  /** Default `auto`. */
  readonly implementation?: 'auto' | 'fused' | 'dense' | null | undefined;
  /** Default `float32`. */
  readonly precision?: Precision | null | undefined;
}

/** Of `prepare` and `tune`. */
export const PREPARE_NAMES: NamesOf<PrepareShape> = {
  queryLength: true,
  keyLength: true,
  headDim: true,
  valueDim: true,
  heads: true,
  batch: true,
  queryOffset: true,
  keyHeads: true,
  options: true,
  gradients: true,
  implementation: true,
  precision: true,
};
const WORDS: OptionWords = {
  all: 'shape',
  expected: 'an object {queryLength, keyLength, headDim}',
  cure: 'Pass the sizes of the calls to come.',
  one: (name) => `shape.${name}`,
};

/**
 * Plans, compiles and uploads ahead for calls of this shape on the current backend, so that the first of them does not wait for the
 * shader compiler, and so that what the device refuses is thrown here instead of being logged later. Planning is done in slices, between
 * which the page has its turn.
 *
 * ```js
 * await prepare(pattern, {queryLength: 4096, keyLength: 4096, headDim: 64, heads: 8});
 * ```
 *
 * @throws SplatError (as a rejection) when a size is wrong, or the device cannot run the plan.
 */
export async function prepare(pattern: Pattern, shape: PrepareShape): Promise<void> {
  const {problem, gradients, ...options} = checkPrepare(pattern, shape);
  await tf.ready();
  const host = Host.of(tf.backend());
  if (host === null) {
    checkBackendPrecision(options.precision);
    compressedLines(pattern, problem);
    return;
  }
  host.throwIfLost();
  const {batch, heads, keyHeads, queryLength, keyLength, headDim, valueDim} = problem;
  const output = [batch, heads, queryLength, valueDim];
  const launched = (compiled: Compiled): Lasting => (isWide(problem) ? roundingOf(compiled) : compiled);
  await ready(host, launched(await planInSlices(pattern, problem, host.limits, options)), {output});
  if (!gradients) return;
  const compiled = await planInSlices(pattern, problem, host.limits, {...options, aux: 'rowSums'});
  await ready(host, launched(compiled), {output, rowSums: [batch, heads, queryLength, 2]});
  if (isWide(problem)) return;
  const shapes = {
    dQuery: [batch, heads, queryLength, headDim],
    dKey: [batch, keyHeads, keyLength, headDim],
    dValue: [batch, keyHeads, keyLength, valueDim],
  };
  await ready(host, await gradientsInSlices(compiled, false), shapes);
}

async function ready(host: Host, runnable: Lasting, shapes: Parameters<typeof checkBuffersFit>[3]): Promise<void> {
  checkBuffersFit(host, runnable, {}, shapes);
  await host.outcome(Promise.all(runnable.launches.map(({program}) => host.pipelines.compile(program))));
  // A lost device compiles everything, and nothing of it runs.
  host.throwIfLost();
  makeResident(host, runnable, callParams({}, defaultNumbers(runnable.plan.problem)));
}

interface Prepared extends Required<Omit<CompileOptions, 'aux'>> {
  readonly problem: Problem;
  readonly gradients: boolean;
}

/** The sizes and options, found right. */
export function checkPrepare(pattern: Pattern, given: PrepareShape): Prepared {
  const shape = readOptions(given, PREPARE_NAMES, WORDS);
  if (!(pattern instanceof Pattern)) refusePattern('pattern', pattern);
  const {options = [], gradients = false, implementation: asked, precision: askedPrecision, ...sizes} = shape;
  if (typeof gradients !== 'boolean') {
    refuse('shape.gradients', say(gradients), 'true or false', 'Leave it out where nothing is trained.');
  }
  const implementation = checkImplementation(asked);
  const precision = checkPrecision(askedPrecision);
  const names: readonly string[] = Array.isArray(options)
    ? options
    : refuse('shape.options', say(options), 'an array of names', 'Leave it out for none.');
  const known = names.map((name) => oneOf('name in shape.options', name, scoreOptions(), 'Remove it.'));
  const features: Features = {...PLAIN, ...Object.fromEntries(known.map((name) => [termOf(name)!.name, true]))};
  return {problem: problemOf(sizes), gradients, implementation, features, precision};
}
