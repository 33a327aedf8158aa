// Random calls of attention with any of its options, as tensors and as the oracle takes them. Cases are plain records, so that
// fast-check can print them.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {compressLines} from '../../src/acsr/index.js';
import {parsePattern} from '../../src/pattern/index.js';
import type {DenseInputs, DenseOptions} from '../../src/runtime/terms/part.js';
import {
  alibiBias,
  broadcastBias,
  dropoutKeep,
  mulberry32,
  randomInputs,
  relativeBiasOf,
  sameSegment,
  sumOfBiases,
  withinLengths,
  type AttentionInputs,
  type Attends,
  type Bias,
  type OracleOptions,
} from '../oracle.js';

export interface DenseCase {
  readonly batch: number;
  readonly keyHeads: number;
  /** heads / keyHeads */
  readonly group: number;
  readonly queryLength: number;
  readonly keyLength: number;
  readonly headDim: number;
  readonly valueDim: number;
  readonly queryOffset: number;
  readonly layout: 'bhld' | 'blhd';
  /** Only with one head. */
  readonly rank3: boolean;
  /** Its text, or null for none. */
  readonly pattern: string | null;
  /** Which dimensions are full. */
  readonly bias: readonly boolean[] | null;
  readonly mask: readonly boolean[] | null;
  readonly lengths: boolean;
  readonly segments: boolean;
  readonly alibi: boolean;
  readonly relative: 'heads' | 'one' | null;
  readonly sinks: boolean;
  readonly softcap: number | null;
  readonly dropout: number;
  readonly seed: number;
}

export const PLAIN: DenseCase = {
  ...{batch: 2, keyHeads: 2, group: 2, queryLength: 13, keyLength: 17, headDim: 5, valueDim: 3, queryOffset: 4},
  ...{layout: 'bhld', rank3: false, pattern: 'causal()', bias: null, mask: null, lengths: false, segments: false},
  ...{alibi: false, relative: null, sinks: false, softcap: null, dropout: 0, seed: 1},
};

/** Any pair of options and more, odd sizes, rows without keys. */
export function arbitraryDenseCase(): fc.Arbitrary<DenseCase> {
  const sometimes = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, {freq: 2});
  const maybe = fc.integer({min: 0, max: 2}).map((x) => x === 0);
  const full = fc.array(fc.boolean(), {minLength: 4, maxLength: 4});
  return fc
    .record({
      batch: fc.integer({min: 1, max: 3}),
      keyHeads: fc.integer({min: 1, max: 3}),
      group: fc.integer({min: 1, max: 3}),
      queryLength: fc.integer({min: 1, max: 19}),
      keyLength: fc.integer({min: 1, max: 19}),
      headDim: fc.integer({min: 1, max: 9}),
      valueDim: fc.integer({min: 1, max: 9}),
      queryOffset: fc.integer({min: -5, max: 9}),
      layout: fc.constantFrom('bhld' as const, 'blhd' as const),
      rank3: fc.boolean(),
      pattern: sometimes(
        fc.constantFrom('causal()', 'slidingWindow(left: 3, right: 1)', 'strided(stride: 3)', 'prefix(0)', 'full()'),
      ),
      bias: sometimes(full),
      mask: sometimes(full),
      lengths: maybe,
      segments: maybe,
      alibi: maybe,
      relative: sometimes(fc.constantFrom('heads' as const, 'one' as const)),
      sinks: maybe,
      softcap: sometimes(fc.constantFrom(0.7, 2, 30)),
      dropout: fc.constantFrom(0, 0, 0.1, 0.5),
      seed: fc.integer({min: -(2 ** 31), max: 2 ** 32 - 1}),
    })
    .map((found) => ({...found, rank3: found.rank3 && found.keyHeads * found.group === 1}));
}

const LINE_PATTERNS = ['causal()', 'slidingWindow(left: 3, right: 1)', 'strided(stride: 3)', 'not full()', 'full()', 'prefix(2)'];

/** The same with a pattern for each head, each sequence or both; some lines have the same. */
export const arbitraryListDenseCase = (): fc.Arbitrary<DenseCase> =>
  fc
    .record({
      given: arbitraryDenseCase(),
      which: fc.constantFrom('heads', 'batch', 'both'),
      drawn: fc.array(fc.constantFrom(...LINE_PATTERNS), {minLength: 27, maxLength: 27}),
      last: fc.constantFrom('', ' or prefix(1)', ' and perBatch(causal())'),
    })
    .map(({given, which, drawn, last}) => {
      const {batch, keyHeads, group} = given;
      const heads = keyHeads * group;
      const list = (kind: string, entries: readonly string[]): string => `${kind}(${entries.join(', ')})`;
      const ofHeads = (from: number): string => list('perHead', drawn.slice(from, from + heads));
      const ofBatch = Array.from({length: batch}, (_, b) => ofHeads(b * heads));
      const pattern =
        which === 'heads' ? ofHeads(0) : which === 'batch' ? list('perBatch', drawn.slice(0, batch)) : list('perBatch', ofBatch);
      return {...given, pattern: last.includes('perBatch') && batch > 1 ? pattern : `${pattern}${last}`};
    });

export interface Spelled {
  readonly inputs: AttentionInputs;
  readonly attends: Attends;
  readonly says: OracleOptions;
  readonly options: DenseOptions;
  readonly tensors: DenseInputs;
  /** Of an output or a gradient: as the oracle has it, [batch, heads, length, dim]. */
  readonly plain: (tensor: tf.Tensor) => tf.Tensor;
  /** The other way round, for what comes from the oracle. */
  readonly laidOut: (data: ArrayLike<number>, heads: number, length: number, dim: number) => tf.Tensor;
}

/** The tensors belong to the caller: use it inside tf.tidy, or in a spec that does not count. */
export function spell(given: DenseCase): Spelled {
  const {batch, keyHeads, group, queryLength, keyLength, headDim, valueDim, queryOffset, layout, rank3, dropout, seed} = given;
  const heads = keyHeads * group;
  const random = mulberry32(seed);
  const floats = (length: number, scale = 1): Float32Array => Float32Array.from({length}, () => scale * (2 * random() - 1));
  const ints = (length: number, most: number): Int32Array => Int32Array.from({length}, () => Math.floor(random() * (most + 1)));
  const inputs = randomInputs({batch, heads, keyHeads, queryLength, keyLength, headDim, valueDim}, seed);
  const scale = 1.3 / Math.sqrt(headDim);

  const laidOut = (data: ArrayLike<number>, count: number, length: number, dim: number): tf.Tensor => {
    const tensor = tf.tensor4d(Float32Array.from(data), [batch, count, length, dim]);
    if (rank3) return tf.reshape(tensor, [batch, length, dim]);
    return layout === 'blhd' ? tf.transpose(tensor, [0, 2, 1, 3]) : tensor;
  };
  const plain = (tensor: tf.Tensor): tf.Tensor =>
    tensor.rank === 4 && layout === 'blhd' ? tf.transpose(tensor as tf.Tensor4D, [0, 2, 1, 3]) : tensor;

  const pattern = given.pattern === null ? null : parsePattern(given.pattern);
  const lengths = {queryLength, keyLength, queryOffset};
  let attends: Attends = (q, k, batch, head) => pattern === null || pattern.attends(q, k, {...lengths, head, batch});
  const biases: Bias[] = [];
  const extra: Record<string, tf.Tensor> = {};
  const shapeOf = (full: readonly boolean[]): [number, number, number, number] =>
    [batch, heads, queryLength, keyLength].map((size, i) => (full[i] ? size : 1)) as [number, number, number, number];
  if (given.bias !== null) {
    const shape = shapeOf(given.bias);
    const data = floats(tf.util.sizeFromShape(shape), 2).map((x) => (random() < 0.1 ? -Infinity : x));
    extra['bias'] = tf.tensor4d(data, shape);
    biases.push(broadcastBias(data, shape));
  }
  if (given.mask !== null) {
    const shape = shapeOf(given.mask);
    const data = ints(tf.util.sizeFromShape(shape), 3).map((x) => Math.min(x, 1));
    extra['mask'] = tf.tensor4d(data, shape, 'bool');
    const [read, before] = [broadcastBias(data, shape), attends];
    attends = (q, k, b, h) => read(b, h, q, k) === 1 && before(q, k, b, h);
  }
  if (given.lengths) {
    const keyLengths = ints(batch, keyLength);
    extra['keyLengths'] = tf.tensor1d(keyLengths, 'int32');
    attends = withinLengths(attends, keyLengths);
  }
  if (given.segments) {
    const [ofQueries, ofKeys] = [ints(batch * queryLength, 2), ints(batch * keyLength, 2)];
    extra['querySegments'] = tf.tensor2d(ofQueries, [batch, queryLength], 'int32');
    extra['keySegments'] = tf.tensor2d(ofKeys, [batch, keyLength], 'int32');
    attends = sameSegment(attends, ofQueries, ofKeys, queryLength, keyLength);
  }
  if (given.alibi) {
    const slopes = floats(heads, 0.5);
    extra['alibiSlopes'] = tf.tensor1d(slopes);
    biases.push(alibiBias(slopes, queryOffset));
  }
  if (given.relative !== null) {
    const count = given.relative === 'one' ? 1 : heads;
    const data = floats(count * (queryLength + keyLength - 1), 2);
    extra['relativeBias'] = tf.tensor2d(data, [count, queryLength + keyLength - 1]);
    biases.push(relativeBiasOf(data, count, queryLength, keyLength));
  }
  const sinks = given.sinks ? floats(heads, 2).map((x) => (random() < 0.1 ? -Infinity : x)) : undefined;
  if (sinks !== undefined) extra['sinks'] = tf.tensor1d(sinks);
  const softcap = given.softcap ?? undefined;

  return {
    inputs,
    attends,
    says: {
      scale,
      ...(biases.length > 0 && {bias: sumOfBiases(...biases)}),
      ...(softcap !== undefined && {softcap}),
      ...(sinks !== undefined && {sinks}),
      ...(dropout > 0 && {keep: dropoutKeep(dropout, seed, heads, queryLength)}),
    },
    options: {
      lines: pattern && compressLines(pattern, {...lengths, heads, keyHeads, batch}),
      ...{scale, queryOffset, layout, dropout, seed},
      ...(softcap !== undefined && {softcap}),
    },
    tensors: {
      query: laidOut(inputs.query, heads, queryLength, headDim),
      key: laidOut(inputs.key, keyHeads, keyLength, headDim),
      value: laidOut(inputs.value, keyHeads, keyLength, valueDim),
      ...extra,
    },
    plain,
    laidOut,
  };
}

/** Puts `bad` into all keys and values behind the lengths of a case, and says how many numbers it spoilt. */
export function spoilPadding({inputs, tensors, laidOut}: Spelled, bad: number): {tensors: DenseInputs; spoilt: number} {
  const {batch, keyHeads = inputs.heads, keyLength, headDim, valueDim} = inputs;
  const lengths = tensors.keyLengths!.dataSync();
  let spoilt = 0;
  const spoil = (data: ArrayLike<number>, dim: number): tf.Tensor => {
    const changed = Float32Array.from(data, (x, i) => {
      const [sequence, key] = [Math.floor(i / (keyHeads * keyLength * dim)), Math.floor(i / dim) % keyLength];
      if (key < lengths[sequence]!) return x;
      spoilt++;
      return bad;
    });
    expect(changed.length).toBe(batch * keyHeads * keyLength * dim);
    return laidOut(changed, keyHeads, keyLength, dim);
  };
  return {tensors: {...tensors, key: spoil(inputs.key, headDim), value: spoil(inputs.value, valueDim)}, spoilt};
}

/** What stands beside lengths: each option, many of them, one query. */
export const BESIDE_LENGTHS: readonly (readonly [string, Partial<DenseCase>])[] = [
  ['nothing else', {pattern: null}],
  ['a causal pattern', {}],
  ['a window, heads after rows', {pattern: 'slidingWindow(left: 3, right: 1)', layout: 'blhd'}],
  ['as many key heads', {pattern: 'strided(stride: 3)', group: 1}],
  ['one head', {pattern: null, rank3: true, keyHeads: 1, group: 1}],
  ['a mask of each head', {pattern: null, mask: [true, true, true, true]}],
  ['a mask of keys', {mask: [false, false, false, true]}],
  ['a bias that excludes keys', {bias: [true, false, false, true]}],
  ['a bias of each pair', {pattern: null, bias: [true, true, true, true]}],
  ['a softcap', {pattern: null, softcap: 0.7}],
  ['sinks', {sinks: true}],
  ['segments', {pattern: null, segments: true}],
  ['slopes and a relative bias', {pattern: null, alibi: true, relative: 'heads'}],
  ['dropout', {pattern: null, dropout: 0.4}],
  ['one query', {pattern: null, queryLength: 1, queryOffset: 16}],
  [
    'everything',
    {bias: [true, true, false, true], mask: [true, false, true, true], softcap: 2, sinks: true, segments: true, dropout: 0.2},
  ],
];
