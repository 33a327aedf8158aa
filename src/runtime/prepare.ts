import * as tf from '@tensorflow/tfjs-core';
import {nearestName, refuse} from '../support/index.js';
import {Pattern, problemOf, type CompileOptions, type Problem} from '../compile.js';
import {Host} from './backend.js';
import {compiledPlan, compressedRows} from './cache.js';
import {checkBackendPrecision} from './attention.js';
import {checkImplementation, checkPrecision, type Precision} from './check.js';
import {checkFits, residentOf} from './launch.js';

/** The sizes and options of the calls to come. */
export interface PrepareShape {
  readonly queryLength: number;
  readonly keyLength: number;
  /** Features of a query and of a key, 1 to 256. */
  readonly headDim: number;
  /** Features of a value. Default headDim. */
  readonly valueDim?: number;
  /** Default 1. */
  readonly heads?: number;
  /** Default 1. */
  readonly batch?: number;
  /** Default keyLength − queryLength. */
  readonly queryOffset?: number;
  /** The calls will add a bias. Default false. */
  readonly bias?: boolean;
  /** Default `auto`. */
  readonly implementation?: 'auto' | 'fused' | 'dense';
  /** Default `float32`. */
  readonly precision?: Precision;
}

const NAMES = [
  'queryLength',
  'keyLength',
  'headDim',
  'valueDim',
  'heads',
  'batch',
  'queryOffset',
  'bias',
  'implementation',
  'precision',
];

/**
 * Plans, compiles and uploads ahead for calls of this shape on the current backend, so that the first of them does not wait for the
 * shader compiler, and so that what the device refuses is thrown here instead of being logged later.
 *
 * ```js
 * await prepare(pattern, {queryLength: 4096, keyLength: 4096, headDim: 64, heads: 8});
 * ```
 *
 * @throws SplatError (as a rejection) when a size is wrong, or the device cannot run the plan.
 */
export async function prepare(pattern: Pattern, shape: PrepareShape): Promise<void> {
  const {problem, ...options} = checkPrepare(pattern, shape);
  await tf.ready();
  const host = Host.of(tf.backend());
  if (host === null) {
    checkBackendPrecision(options.storage);
    compressedRows(pattern, problem);
    return;
  }
  host.throwIfLost();
  const compiled = compiledPlan(pattern, problem, host.limits, options);
  checkFits(host, compiled, {}, [problem.batch, problem.heads, problem.queryLength, problem.valueDim]);
  await Promise.all(compiled.launches.map(({program}) => host.pipelines.compile(program)));
  residentOf(host, compiled);
}

/** The sizes and options, found right. */
export function checkPrepare(pattern: Pattern, shape: PrepareShape): {problem: Problem} & Required<CompileOptions> {
  if (!(pattern instanceof Pattern)) {
    refuse('pattern', String(pattern), 'a Pattern', 'Make one with a builder such as causal(), or parsePattern(text).');
  }
  if (typeof shape !== 'object' || shape === null) {
    refuse('shape', String(shape), 'an object {queryLength, keyLength, headDim}', 'Pass the sizes of the calls to come.');
  }
  for (const name of Object.keys(shape)) {
    if (NAMES.includes(name)) continue;
    const near = nearestName(name, NAMES);
    refuse(`shape.${name}`, 'an unknown name', `one of ${NAMES.join(', ')}`, near ? `Did you mean '${near}'?` : 'Remove it.');
  }
  const {bias = false, implementation: asked, precision: askedPrecision, ...sizes} = shape;
  const implementation = checkImplementation(asked);
  const precision = checkPrecision(askedPrecision);
  if (typeof bias !== 'boolean') {
    refuse(
      'shape.bias',
      `a value of type ${typeof bias}`,
      'true or false',
      'The calls bring the bias itself; here say that they will.',
    );
  }
  return {problem: problemOf(sizes), implementation, bias, storage: precision};
}
