// Calls of the public op with any of its options, from the cases of dense_cases.ts.
import * as tf from '@tensorflow/tfjs-core';
import {
  full,
  parsePattern,
  sparseAttention,
  sparseAttentionWithAux,
  type Pattern,
  type SparseAttentionOptions,
} from '../../src/index.js';
import type {Compiled, Features, Problem} from '../../src/pure.js';
import {featuresOf} from '../../src/runtime/terms/terms.js';
import {launch, type CallTensors} from '../../src/runtime/launch/launch.js';
import {expectAttention, expectAttentionWithAux, type AttentionInputs} from '../oracle.js';
import {host} from './attend.js';
import {spell, type DenseCase, type Spelled} from './dense_cases.js';
import {inHalves} from './halves.js';

export interface OptionCase extends DenseCase {
  readonly implementation: 'auto' | 'fused' | 'dense';
  readonly precision: 'float32' | 'float16';
  /** The log-sum-exp is wanted as well. */
  readonly aux: boolean;
}

/** Lengths past a tile and unaligned, grouped heads, no option. */
export const BASE: OptionCase = {
  ...{batch: 2, keyHeads: 2, group: 2, queryLength: 45, keyLength: 70, headDim: 16, valueDim: 16, queryOffset: 25},
  ...{layout: 'bhld', rank3: false, pattern: 'causal()', bias: null, mask: null, lengths: false, segments: false},
  ...{alibi: false, relative: null, sinks: false, softcap: null, dropout: 0, seed: 7},
  ...{implementation: 'fused', precision: 'float32', aux: false},
};

export type Tensors = Readonly<Record<string, tf.Tensor>>;

/** What `sparseAttention` takes beside query, key, value and the pattern. */
export function optionsOf(given: OptionCase, {options}: Spelled, tensors: Tensors): SparseAttentionOptions {
  const {implementation, precision, queryOffset, layout, dropout, seed, softcap} = given;
  const {bias, keyLengths, querySegments, keySegments, alibiSlopes, relativeBias, sinks} = tensors;
  return {
    ...{implementation, precision, queryOffset, layout, scale: options.scale},
    ...(dropout > 0 && {dropout, seed: seed >>> 0}),
    ...(softcap !== null && {softcap}),
    ...(bias && {bias}),
    ...(keyLengths && {keyLengths}),
    ...(querySegments && keySegments && {segmentIds: {query: querySegments, key: keySegments}}),
    ...(alibiSlopes && {alibiSlopes}),
    ...(relativeBias && {relativeBias}),
    ...(sinks && {sinks}),
  };
}

/** Runs a case on the current backend; `tensors` may stand in for its own, as gradients need it. */
export function callCase(
  given: OptionCase,
  spelled: Spelled,
  tensors = spelled.tensors as unknown as Tensors,
): {output: tf.Tensor; logSumExp?: tf.Tensor} {
  const {query, key, value, mask} = tensors;
  const pattern: Pattern | tf.Tensor = mask ?? (given.pattern === null ? full() : parsePattern(given.pattern));
  const call = [query!, key!, value!, pattern, optionsOf(given, spelled, tensors)] as const;
  return given.aux ? sparseAttentionWithAux(...call) : {output: sparseAttention(...call)};
}

/** What the kernel reads. */
export const inputsRead = ({precision}: OptionCase, {inputs}: Spelled): AttentionInputs =>
  precision === 'float16' ? inHalves(inputs) : inputs;

/** Runs a case and compares it with the oracle. */
export async function expectCase(given: OptionCase, what = JSON.stringify(given)): Promise<void> {
  const spelled = spell(given);
  const {attends, says, plain} = spelled;
  const {output, logSumExp} = callCase(given, spelled);
  const inputs = inputsRead(given, spelled);
  const {batch, heads, queryLength, valueDim} = inputs;
  const oneHead = [batch, queryLength];
  const headed = given.layout === 'bhld' ? [batch, heads, queryLength] : [batch, queryLength, heads];
  expect(output.shape)
    .withContext(what)
    .toEqual([...(given.rank3 ? oneHead : headed), valueDim]);
  if (logSumExp === undefined) return expectAttention(plain(output), inputs, attends, says, what);
  expect(logSumExp.shape)
    .withContext(what)
    .toEqual(given.rank3 ? oneHead : [batch, heads, queryLength]);
  return expectAttentionWithAux({output: plain(output), logSumExp}, inputs, attends, says, what);
}

export const featuresOfCase = ({softcap, dropout}: OptionCase, {tensors}: Spelled): Features =>
  featuresOf(tensors, {...(softcap !== null && {softcap}), dropout, seed: 0}, 1);

export function problemOfCase({
  keyHeads,
  group,
  queryLength,
  keyLength,
  queryOffset,
  headDim,
  valueDim,
  batch,
}: OptionCase): Problem {
  const heads = keyHeads * group;
  return {batch, heads, keyHeads, packedHeads: 1, queryLength, keyLength, queryOffset, headDim, valueDim};
}

/** Runs a plan that was compiled with `aux: 'logSumExp'` as the op would. */
export function launchCase(
  compiled: Compiled,
  given: OptionCase,
  {options, tensors}: Spelled,
): {output: tf.Tensor; logSumExp: tf.Tensor} {
  const {layout, softcap, dropout, seed} = given;
  const numbers = {scale: options.scale, layout, ...(softcap !== null && {softcap}), dropout, seed, aux: 'logSumExp' as const};
  const made = launch(host(), compiled, tensors as unknown as CallTensors, numbers);
  const [output, , logSumExp] = made.map((info) => tf.engine().makeTensorFromTensorInfo(info));
  return {output: output!, logSumExp: logSumExp!};
}

/** Compares what `launchCase` gave with the oracle. */
export async function expectLaunched(
  found: {output: tf.Tensor; logSumExp: tf.Tensor},
  given: OptionCase,
  spelled: Spelled,
  what: string,
): Promise<void> {
  const {attends, says, plain} = spelled;
  await expectAttentionWithAux({...found, output: plain(found.output)}, inputsRead(given, spelled), attends, says, what);
}
