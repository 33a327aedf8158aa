import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor2D, Tensor4D} from '@tensorflow/tfjs-core';
import {readOptions, refuse, type Given} from '../../support/index.js';
import type {Layout, Problem} from '../../pure.js';
import {floats, shapeOf, sizesOf} from '../given/arguments.js';
import {checkLayout} from '../call/check.js';
import {checkScale} from '../call/check_scoring.js';
import type {Brought} from '../terms/term.js';
import {checkCached} from '../terms/terms.js';
import {headsFirst} from '../tf_ops/dense.js';
import {checkCounts, type CacheSizes} from './kv_check.js';
import {ATTEND_WORDS, attendNames, type KvAttendOptions} from './kv_options.js';
import type {NumberArray} from '../given/number_array.js';

/** The tensors of one `attend`, found right, heads before tokens. */
export interface CacheStep {
  readonly query: Tensor4D;
  readonly key: Tensor4D;
  readonly value: Tensor4D;
  /** New tokens of each sequence. */
  readonly counts: readonly number[];
  readonly scores: Scores;
  /** In which the tensors came. */
  readonly layout: Layout;
}

/** What terms bring that a cache takes as calls do, and biases. */
export interface Scores extends Required<Brought> {
  readonly scale: number;
  /** [batch or 1, heads or 1, tokens or 1, positions or 1] */
  readonly bias?: Tensor4D;
  readonly relative?: Relative;
}

/** A bias by distance: entry key − query + zero of a row, in positions. */
export interface Relative {
  /** [heads or 1, entries] */
  readonly entries: Tensor2D;
  readonly zero: number;
}

/** The arguments of `attend`, or a refusal. `held` are the tokens of each sequence before it. */
export function checkStep(
  inputs: Readonly<Record<'query' | 'key' | 'value', Tensor | NumberArray>>,
  given: KvAttendOptions,
  {batch, keyHeads, headDim, valueDim}: CacheSizes,
  held: readonly number[],
): CacheStep {
  const options = readOptions(given, attendNames(), ATTEND_WORDS);
  const layout = checkLayout(options.layout);
  const [query, key, value] = (['query', 'key', 'value'] as const).map((name) => floats(name, inputs[name]));
  const [, heads, tokens] = query!.rank === 4 ? sizesOf(query!.shape, layout) : [0, 0, undefined];
  const expect = (name: string, tensor: Tensor, of: string, heads: unknown, tokens: unknown, dim: number, cure: string): void => {
    const {rank, shape} = tensor;
    const [at, end] = layout === 'bhld' ? [1, 2] : [2, 1];
    if (rank === 4 && shape[0] === batch && shape[at] === heads && shape[end] === tokens && shape[3] === dim) return;
    const laidOut = (head: unknown, token: unknown): string => (layout === 'bhld' ? [head, token] : [token, head]).join(', ');
    const last = name === 'value' ? 'valueDim' : 'headDim';
    const expected = `[batch, ${laidOut(of, 'tokens')}, ${last}] = [${batch}, ${laidOut(heads, tokens)}, ${dim}]`;
    refuse(name, `shape ${shapeOf(tensor)}`, expected, cure);
  };
  const cure = 'The sizes were given to the cache when it was made.';
  expect('query', query!, 'heads', tokens === undefined ? 'heads' : heads, tokens ?? 'tokens', headDim, cure);
  if (heads === 0 || heads % keyHeads !== 0) {
    refuse(
      'heads of query',
      String(heads),
      `a multiple of ${keyHeads}, the keyHeads of the cache`,
      `Several query heads may share one key head; layout '${layout}' was read.`,
    );
  }
  const same = 'Every new token brings its query, its key and its value.';
  expect('key', key!, 'keyHeads', keyHeads, tokens, headDim, same);
  expect('value', value!, 'keyHeads', keyHeads, tokens, valueDim, same);

  const all = new Array<number>(batch).fill(tokens!);
  const counts =
    options.lengths === undefined
      ? all
      : checkCounts('option lengths', options.lengths, all, (b) => `0 to ${tokens}, the new tokens that sequence ${b} brings`);
  const [first, second, third] = [query!, key!, value!].map((tensor) => toHeads(tensor, layout)) as [Tensor4D, Tensor4D, Tensor4D];
  const keyLength = Math.max(...held) + tokens!;
  const problem = {
    ...{batch, heads, keyHeads, packedHeads: 1, queryLength: tokens!, keyLength},
    ...{queryOffset: keyLength - tokens!, headDim, valueDim},
  };
  return {...{query: first, key: second, value: third}, counts, layout, scores: checkScores(options, problem, held, counts)};
}

/** [batch, heads, tokens, dim]; of one token both layouts lie in memory alike. */
function toHeads(tensor: Tensor, layout: Layout): Tensor4D {
  if (layout === 'bhld') return tensor as Tensor4D;
  const [batch, heads, tokens, dim] = sizesOf(tensor.shape, layout);
  return tokens <= 1 ? tf.reshape(tensor, [batch, heads, tokens, dim]) : headsFirst(tensor, layout);
}

function checkScores(
  options: Given<KvAttendOptions>,
  problem: Problem,
  held: readonly number[],
  counts: readonly number[],
): Scores {
  const {batch, heads, queryLength: tokens, keyLength, headDim} = problem;
  const longest = Math.max(...held.map((length, b) => length + counts[b]!));
  return {
    scale: checkScale(options.scale, headDim),
    ...checkCached(options, {rank: 4, problem}),
    ...(options.bias !== undefined && {bias: checkBias(options.bias, [batch, heads, tokens], longest)}),
    ...(options.relativeBias !== undefined && {
      relative: checkRelative(options.relativeBias, heads, tokens, keyLength, longest),
    }),
  };
}

function checkBias(given: Tensor | NumberArray, rows: readonly [number, number, number], longest: number): Tensor4D {
  const tensor = floats('bias', given);
  const shape = [...new Array<number>(Math.max(0, 4 - tensor.rank)).fill(1), ...tensor.shape];
  const fits = (size: number, i: number): boolean => size === 1 || (i < 3 ? size === rows[i] : size >= longest);
  if (shape.length > 4 || !shape.every(fits)) refuseBias(tensor, rows, longest);
  return tensor.rank === 4 ? (tensor as Tensor4D) : tf.reshape(tensor, shape as Tensor4D['shape']);
}

function refuseBias(tensor: Tensor, rows: readonly [number, number, number], longest: number): never {
  return refuse(
    'bias',
    `shape ${shapeOf(tensor)}`,
    `one that broadcasts to [batch, heads, tokens, keyLength] = [${rows.join(', ')}, ${longest}], or has more columns`,
    'Column k is for the token at position k of its sequence; each other dimension is full size or 1, aligned from the right.',
  );
}

function checkRelative(given: Tensor | NumberArray, heads: number, tokens: number, keyLength: number, longest: number): Relative {
  const entries = floats('relativeBias', given) as Tensor2D;
  const [rows, count = 0] = entries.shape;
  const step = tokens + keyLength - 1;
  const isWhole = count % 2 === 1 && (count + 1) / 2 >= longest;
  const wanted = relativeShapes(heads, tokens, keyLength, longest);
  if (entries.rank !== 2 || (rows !== heads && rows !== 1) || !(count === step || isWhole)) refuseRelative(entries, wanted);
  // Two numbers of entries meet only where most of the tokens are padding, or where the step is the whole call and both are the same.
  if (count === step && isWhole && (count + 1) / 2 !== keyLength) {
    refuse(
      'relativeBias',
      `shape ${shapeOf(entries)}, which is both`,
      wanted,
      'Give another length, or fewer tokens that are padding.',
    );
  }
  return {entries, zero: count === step ? keyLength - 1 : (count - 1) / 2};
}

const relativeShapes = (heads: number, tokens: number, keyLength: number, longest: number): string =>
  `[heads or 1, 2·length − 1] with heads ${heads} and a length of at least ${longest}, or [heads or 1, tokens + keyLength − 1] = ` +
  `[${heads}, ${tokens + keyLength - 1}]`;

function refuseRelative(entries: Tensor, wanted: string): never {
  const cure = 'Make it once with relativePositionBias(table, {queryLength: length, keyLength: length, bidirectional: false}).';
  return refuse('relativeBias', `shape ${shapeOf(entries)}`, wanted, cure);
}

/** Whether the entries are those of a whole sequence, which fit every step of it. */
export const isOfWhole = ({entries, zero}: Relative): boolean => entries.shape[1] === 2 * zero + 1;

/** Throws where a step that was checked for fewer tokens has biases that do not reach as far as those that are `held` by now. */
export function checkReach({query, counts, scores: {bias, relative}}: CacheStep, held: readonly number[]): void {
  const [batch, heads, tokens] = query.shape;
  const longest = Math.max(...held.map((length, b) => length + counts[b]!));
  if (bias !== undefined && bias.shape[3] > 1 && bias.shape[3] < longest) refuseBias(bias, [batch, heads, tokens], longest);
  if (relative !== undefined && relative.zero + 1 < longest) {
    refuseRelative(relative.entries, relativeShapes(heads, tokens, Math.max(...held) + tokens, longest));
  }
}

/** The tokens `from ≤ i < from + tokens` of a step. */
export function cutStep(step: CacheStep, from: number, tokens: number): CacheStep {
  const part = (tensor: Tensor4D): Tensor4D => {
    const [batch, heads, all, dim] = tensor.shape;
    return tokens === all ? tensor : tf.slice(tensor, [0, 0, from, 0], [batch, heads, tokens, dim]);
  };
  const counts = step.counts.map((count) => Math.min(Math.max(count - from, 0), tokens));
  const {bias} = step.scores;
  const scores = bias === undefined || bias.shape[2] === 1 ? step.scores : {...step.scores, bias: part(bias)};
  return {...step, query: part(step.query), key: part(step.key), value: part(step.value), counts, scores};
}
