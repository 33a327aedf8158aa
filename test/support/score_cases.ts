// Specs of packed scores that every backend has to pass. Importers need the gradients of tf ops: '@tensorflow/tfjs'.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {
  attentionWeights,
  parsePattern,
  sddmm,
  sparseAttention,
  sparseSoftmax,
  spmm,
  type AttentionWeightsOptions,
  type SddmmOptions,
  type SparseScores,
} from '../../src/index.js';
import {expectWithin, mulberry32, visitRows} from '../oracle.js';
import {arbitraryDenseCase, arbitraryListDenseCase, PLAIN, spell, type DenseCase, type Spelled} from './dense_cases.js';
import {poisonPool} from './product_cases.js';
import {BASE, optionsOf, type Tensors} from './option_cases.js';

type Roles = Record<string, tf.Tensor>;

/** Any options that packed scores take. */
const arbitraryScoreCase = (): fc.Arbitrary<DenseCase> =>
  fc
    .oneof(arbitraryDenseCase(), arbitraryListDenseCase())
    .map((given) => ({...given, pattern: given.pattern ?? 'full()', mask: null, dropout: 0}));

/** A case for each option, and sizes of more than a tile. */
const CASES: readonly (readonly [string, Partial<DenseCase>])[] = [
  ['grouped heads', {}],
  ['one head of rank 3', {rank3: true, keyHeads: 1, group: 1}],
  ['another layout', {layout: 'blhd'}],
  ['a softcap', {softcap: 0.7}],
  ['a bias', {bias: [true, true, true, true]}],
  ['a bias of keys', {bias: [false, false, false, true]}],
  ['slopes', {alibi: true, queryOffset: 900}],
  ['a relative bias', {relative: 'heads'}],
  ['lengths and segments', {lengths: true, segments: true}],
  ['sinks', {sinks: true}],
  ['rows without pairs', {pattern: 'slidingWindow(left: 2, right: 0) and not globalTokens([5, 9])'}],
  ['no pairs at all', {pattern: 'not full()'}],
  ['strides that mesh', {pattern: 'strided(stride: 2) or strided(stride: 3)', queryLength: 40, keyLength: 40, queryOffset: 0}],
  ['a pattern for each head', {pattern: 'perHead(causal(), strided(stride: 3), not full(), slidingWindow(left: 1, right: 2))'}],
  ['a pattern for each sequence', {pattern: 'perBatch(causal(), slidingWindow(left: 1, right: 2))'}],
  [
    'more than a tile',
    {queryLength: 150, keyLength: 170, queryOffset: 20, pattern: 'slidingWindow(left: 20, right: 9) or globalTokens(3)'},
  ],
];

function scoreOptions(given: DenseCase, spelled: Spelled, tensors: Roles): AttentionWeightsOptions {
  const {implementation: _kernel, precision: _halves, ...options} = optionsOf({...BASE, ...given}, spelled, tensors as Tensors);
  return options;
}

function ofScores({sinks: _sinks, ...options}: AttentionWeightsOptions): SddmmOptions {
  return options;
}

const patternOf = ({pattern}: DenseCase): ReturnType<typeof parsePattern> => parsePattern(pattern!);

interface Call {
  readonly given: DenseCase;
  readonly spelled: Spelled;
  readonly tensors: Roles;
}

function call(given: DenseCase): Call {
  const spelled = spell(given);
  return {given, spelled, tensors: {...spelled.tensors} as unknown as Roles};
}

const weightsOf = ({given, spelled}: Call, tensors: Roles): SparseScores =>
  attentionWeights(
    tensors['query'] as tf.Tensor4D,
    tensors['key'] as tf.Tensor4D,
    patternOf(given),
    scoreOptions(given, spelled, tensors),
  );

/** Pairs of the pattern alone, row by row, of all lines. */
function pairsOf({given}: Call): [line: number, query: number, key: number, place: number][] {
  const {batch, keyHeads, group, queryLength, keyLength, queryOffset} = given;
  const heads = keyHeads * group;
  const pattern = patternOf(given);
  const pairs: [number, number, number, number][] = [];
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++) {
      let place = 0;
      for (let q = 0; q < queryLength; q++)
        for (let k = 0; k < keyLength; k++)
          if (pattern.attends(q, k, {queryLength, keyLength, queryOffset, batch: b, head: h}))
            pairs.push([b * heads + h, q, k, place++]);
    }
  return pairs;
}

/** The scores of the oracle: those that attend, −∞ for pairs that something else hides. */
function expectedScores(of: Call): Map<string, number> {
  const {inputs, attends, says} = of.spelled;
  const {heads, keyHeads = heads, queryLength, keyLength, headDim, query, key} = inputs;
  const {scale = 1, softcap, bias} = says;
  return new Map(
    pairsOf(of).map(([line, q, k, place]) => {
      const [b, h] = [Math.floor(line / heads), line % heads];
      const keyHead = b * keyHeads + Math.floor((h * keyHeads) / heads);
      let dot = 0;
      for (let d = 0; d < headDim; d++)
        dot += query[(line * queryLength + q) * headDim + d]! * key[(keyHead * keyLength + k) * headDim + d]!;
      const raw = scale * dot;
      const score = (softcap === undefined ? raw : softcap * Math.tanh(raw / softcap)) + (bias?.(b, h, q, k) ?? 0);
      return [`${line} ${place}`, attends(q, k, b, h) ? score : -Infinity];
    }),
  );
}

/** Numbers by line and place, in one order; what stands behind a line that has fewer has to be 0. */
async function expectPacked(
  scores: SparseScores,
  expected: ReadonlyMap<string, number>,
  limit: number,
  what: string,
): Promise<void> {
  const found = await scores.values.data();
  const nnz = scores.nnz;
  const wanted = Float64Array.from(found, (_, i) => expected.get(`${Math.floor(i / nnz)} ${i % nnz}`) ?? 0);
  const finite = (data: ArrayLike<number>): number[] => Array.from(data, (x) => (x === -Infinity ? -1e30 : x));
  expectWithin(finite(found), finite(wanted), limit, what);
}

const largest = (data: ArrayLike<number>): number =>
  Array.from(data).reduce((a, b) => (Number.isFinite(b) ? Math.max(a, Math.abs(b)) : a), 1);

/** Scores and weights of a case against the oracle, in memory that held NaN. */
async function expectPairs(given: DenseCase, ofOne: number): Promise<void> {
  tf.engine().startScope();
  const of = call(given);
  const {spelled, tensors} = of;
  const what = JSON.stringify(given);
  const options = scoreOptions(given, spelled, tensors);
  const expected = expectedScores(of);
  const limit = ofOne * largest([...expected.values()]);
  const pairs = pairsOf(of);
  const {batch, keyHeads, group, queryLength, keyLength} = given;
  const nnz = pairs.reduce((most, [, , , place]) => Math.max(most, place + 1), 0);
  const [query, key] = [tensors['query'], tensors['key']] as [tf.Tensor4D, tf.Tensor4D];
  poisonPool([[batch, keyHeads * group, nnz]]);
  const scores = sddmm(query, key, patternOf(given), ofScores(options));
  await expectPacked(scores, expected, limit, `scores of ${what}`);
  const probabilities = new Float64Array(batch * keyHeads * group * queryLength * keyLength);
  visitRows(spelled.inputs, spelled.attends, spelled.says, ({index, probability}) =>
    probabilities.set(probability, index * keyLength),
  );
  const places = new Map(
    pairs.map(([line, q, k, place]) => [`${line} ${place}`, probabilities[(line * queryLength + q) * keyLength + k]!]),
  );
  await expectPacked(sparseSoftmax(scores, {sinks: options.sinks}), places, limit, `weights of ${what}`);
  await expectPacked(weightsOf(of, tensors), places, limit, `weights at once of ${what}`);
  tf.engine().endScope();
}

const EVERY_OPTION: Partial<DenseCase> = {
  ...{softcap: 0.7, bias: [true, true, true, true], alibi: true, relative: 'heads', lengths: true, segments: true, sinks: true},
  queryOffset: 900,
};

/** Cases of scores and weights alone: options one by one where kernels differ in more than a line, all together, and all kinds of tables. */
const PAIR_CASES: typeof CASES = [
  ...CASES.filter(([name]) => /^(grouped|one head|another|a softcap|lengths|sinks|rows|no pairs|strides|a pattern)/.test(name)),
  ['every option', EVERY_OPTION],
  [
    'every option, and heads with patterns of their own',
    {...EVERY_OPTION, ...CASES.find(([name]) => name === 'a pattern for each head')![1]},
  ],
];

/** Scores and weights alone, and of some options at random. */
export function specifyPairs(limit: number, runs: number): void {
  for (const [what, changes] of PAIR_CASES)
    it(`scores and weights are those of the oracle: ${what}`, () => expectPairs({...PLAIN, ...changes}, limit));
  it('scores and weights are those of the oracle: any options together', () =>
    fc.assert(
      fc.asyncProperty(arbitraryScoreCase(), (given) => expectPairs(given, limit)),
      {numRuns: runs},
    ));
}

/** Scores, weights and products of a case against the oracle. Scores are rounded as they are written, so weights are as exact as the largest of them. */
export async function expectScores(given: DenseCase, ofOne: number): Promise<void> {
  tf.engine().startScope();
  const of = call(given);
  const {spelled, tensors} = of;
  const {batch, keyHeads, group, queryLength, keyLength, valueDim} = given;
  const heads = keyHeads * group;
  const what = JSON.stringify(given);
  const options = scoreOptions(given, spelled, tensors);
  const scores = sddmm(tensors['query'] as tf.Tensor4D, tensors['key'] as tf.Tensor4D, patternOf(given), ofScores(options));
  const expected = expectedScores(of);
  const limit = ofOne * largest([...expected.values()]);
  expect(scores.shape).toEqual([batch, heads, queryLength, keyLength]);
  await expectPacked(scores, expected, limit, `scores of ${what}`);

  const weights = sparseSoftmax(scores, {sinks: options.sinks});
  const probabilities = new Float64Array(batch * heads * queryLength * keyLength);
  visitRows(spelled.inputs, spelled.attends, spelled.says, ({index, probability}) =>
    probabilities.set(probability, index * keyLength),
  );
  const pairs = pairsOf(of);
  const places = new Map(
    pairs.map(([line, q, k, place]) => [`${line} ${place}`, probabilities[(line * queryLength + q) * keyLength + k]!]),
  );
  await expectPacked(weights, places, limit, `weights of ${what}`);
  expectWithin(await weightsOf(of, tensors).values.data(), await weights.values.data(), 1e-6, `weights at once of ${what}`);
  expectWithin(await weights.toDense().data(), probabilities, limit, `all weights of ${what}`);

  const value = tensors['value']!;
  const output = spmm(weights, value, {layout: given.layout});
  const attention = sparseAttention(
    tensors['query'] as tf.Tensor4D,
    tensors['key'] as tf.Tensor4D,
    value as tf.Tensor4D,
    patternOf(given),
    options,
  );
  expect(output.shape).toEqual(attention.shape);
  expectWithin(await output.data(), await attention.data(), limit, `product of ${what}`);

  // Back: a row for each key.
  const back = spmm(weights.transpose(), output, {layout: given.layout});
  const rows = await spelled.plain(output).data();
  const sums = new Float64Array(batch * heads * keyLength * valueDim);
  for (const [line, q, k] of pairs)
    for (let d = 0; d < valueDim; d++)
      sums[(line * keyLength + k) * valueDim + d]! +=
        probabilities[(line * queryLength + q) * keyLength + k]! * rows[(line * queryLength + q) * valueDim + d]!;
  expectWithin(await spelled.plain(back).data(), sums, limit * largest(sums), `transposed product of ${what}`);
  tf.engine().endScope();
}

/** Gradients of the three, one after the other, against those of `sparseAttention`, which the oracle knows. */
export async function expectChainGradients(given: DenseCase, ofOne: number): Promise<void> {
  tf.engine().startScope();
  const of = call(given);
  const limit = ofOne * largest([...expectedScores(of).values()]);
  const {spelled, tensors} = of;
  const {batch, keyHeads, group, queryLength, valueDim, layout} = given;
  const floats = Object.keys(tensors).filter((name) => tensors[name]!.dtype === 'float32');
  const random = mulberry32(given.seed + 1);
  const size = batch * keyHeads * group * queryLength * valueDim;
  const dOutput = spelled.laidOut(
    Float32Array.from({length: size}, () => 2 * random() - 1),
    keyHeads * group,
    queryLength,
    valueDim,
  );
  const gradients = (attend: (own: Roles) => tf.Tensor): tf.Tensor[] =>
    tf.grads((...given: tf.Tensor[]) => attend({...tensors, ...Object.fromEntries(floats.map((name, i) => [name, given[i]!]))}))(
      floats.map((name) => tensors[name]!),
      dOutput,
    );
  const found = gradients((own) => spmm(weightsOf(of, own), own['value']!, {layout}));
  const expected = gradients((own) =>
    sparseAttention(
      own['query'] as tf.Tensor4D,
      own['key'] as tf.Tensor4D,
      own['value'] as tf.Tensor4D,
      patternOf(given),
      scoreOptions(given, spelled, own),
    ),
  );
  for (const [i, name] of floats.entries()) {
    const wanted = await expected[i]!.data();
    expect(found[i]!.shape).withContext(name).toEqual(expected[i]!.shape);
    expectWithin(await found[i]!.data(), wanted, limit * largest(wanted), `gradient of ${name}, ${JSON.stringify(given)}`);
  }
  tf.engine().endScope();
}

/** Each of the three alone, whose gradients a chain would not tell apart: differences along a random direction, of sums in float64. */
export async function expectOwnGradients(given: DenseCase, limit: number): Promise<void> {
  tf.engine().startScope();
  const of = call(given);
  const {tensors, spelled} = of;
  const {batch, keyHeads, group, queryLength, keyLength, headDim, valueDim, layout} = given;
  const heads = keyHeads * group;
  const random = mulberry32(given.seed + 2);
  const draw = (shape: number[]): tf.Tensor =>
    tf.tensor(
      Float32Array.from({length: tf.util.sizeFromShape(shape)}, () => 2 * random() - 1),
      shape,
    );
  const pairs = pairsOf(of);
  const options = ofScores(scoreOptions(given, spelled, tensors));
  const [query, key] = [tensors['query'], tensors['key']] as [tf.Tensor4D, tf.Tensor4D];

  const scores = sddmm(query, key, patternOf(given), options);
  const nnz = scores.nnz;
  const dValues = draw(scores.values.shape);
  const asked = await dValues.data();
  const [dQuery, dKey] = tf.grads((q, k) => sddmm(q as tf.Tensor4D, k as tf.Tensor4D, patternOf(given), options).values)(
    [query, key],
    dValues,
  );
  const {inputs} = spelled;
  const [ofQuery, ofKey] = [new Float64Array(inputs.query.length), new Float64Array(inputs.key.length)];
  for (const [line, q, k, place] of pairs) {
    const keyRow = (Math.floor(line / heads) * keyHeads + Math.floor(((line % heads) * keyHeads) / heads)) * keyLength + k;
    const factor = options.scale! * asked[line * nnz + place]!;
    for (let d = 0; d < headDim; d++) {
      ofQuery[(line * queryLength + q) * headDim + d]! += factor * inputs.key[keyRow * headDim + d]!;
      ofKey[keyRow * headDim + d]! += factor * inputs.query[(line * queryLength + q) * headDim + d]!;
    }
  }
  expectWithin(await spelled.plain(dQuery!).data(), ofQuery, limit * largest(ofQuery), 'gradient of query');
  expectWithin(await spelled.plain(dKey!).data(), ofKey, limit * largest(ofKey), 'gradient of key');

  // Of both kinds of product: the weights are any numbers.
  const weights = scores.withValues(draw(scores.values.shape));
  const numbers = await weights.values.data();
  for (const isTransposed of [false, true]) {
    const [from, to] = isTransposed ? [queryLength, keyLength] : [keyLength, queryLength];
    const xData = Float32Array.from({length: batch * keyHeads * from * valueDim}, () => 2 * random() - 1);
    const outData = Float32Array.from({length: batch * heads * to * valueDim}, () => 2 * random() - 1);
    const x = spelled.laidOut(xData, keyHeads, from, valueDim);
    const back = spelled.laidOut(outData, heads, to, valueDim);
    const product = (w: tf.Tensor, y: tf.Tensor): tf.Tensor => {
      const table = weights.withValues(w);
      return spmm(isTransposed ? table.transpose() : table, y, {layout});
    };
    const [dWeights, dX] = tf.grads(product)([weights.values, x], back);
    const ofWeights = new Float64Array(numbers.length);
    const ofX = new Float64Array(xData.length);
    for (const [line, q, k, place] of pairs) {
      const [row, column] = isTransposed ? [k, q] : [q, k];
      const xRow = (Math.floor(line / heads) * keyHeads + Math.floor(((line % heads) * keyHeads) / heads)) * from + column;
      for (let d = 0; d < valueDim; d++) {
        const up = outData[(line * to + row) * valueDim + d]!;
        ofWeights[line * nnz + place]! += up * xData[xRow * valueDim + d]!;
        ofX[xRow * valueDim + d]! += up * numbers[line * nnz + place]!;
      }
    }
    const what = isTransposed ? 'transposed product' : 'product';
    expectWithin(await dWeights!.data(), ofWeights, limit * largest(ofWeights), `gradient of weights, ${what}`);
    expectWithin(await spelled.plain(dX!).data(), ofX, limit * largest(ofX), `gradient of values, ${what}`);
  }
  tf.engine().endScope();
}

/** A table that nothing but its pairs makes: no cap, no bias. */
const LINEAR = CASES.filter(
  ([, {softcap, bias, alibi, relative, lengths, sinks}]) => !softcap && !bias && !alibi && !relative && !lengths && !sinks,
);

/**
 * @param runs Random cases. Where every shape is a pipeline that takes seconds, as on a software adapter, none.
 * @param names Of the cases; all of them without.
 */
export function specifyScores(limit: number, runs: number, names: readonly string[] = CASES.map(([name]) => name)): void {
  const cases = CASES.filter(([name]) => names.includes(name));
  for (const [what, changes] of cases)
    it(`scores, weights and products are those of the oracle: ${what}`, () => expectScores({...PLAIN, ...changes}, limit));

  for (const [what, changes] of cases)
    it(`gradients of the three after another are those of attention: ${what}`, () =>
      expectChainGradients({...PLAIN, ...changes}, 4 * limit));

  for (const [what, changes] of cases.filter((each) => LINEAR.includes(each)))
    it(`gradients of products are sums over pairs: ${what}`, () => expectOwnGradients({...PLAIN, ...changes}, limit));

  if (runs > 0)
    it('any options together', () =>
      fc.assert(
        fc.asyncProperty(arbitraryScoreCase(), async (given) => {
          await expectScores(given, limit);
          await expectChainGradients(given, 4 * limit);
        }),
        {numRuns: runs},
      ));

  it('memory that holds NaN reaches nothing: keys, values and rows that no pair has', async () => {
    tf.engine().startScope();
    const [length, dim] = [9, 5];
    const pattern = parsePattern('slidingWindow(left: 2, right: 0) and not globalTokens([4])');
    const random = mulberry32(3);
    const draw = (bad: number | null): tf.Tensor4D =>
      tf.tensor4d(
        Float32Array.from({length: length * dim}, (_, i) => (Math.floor(i / dim) === bad ? NaN : 2 * random() - 1)),
        [1, 1, length, dim],
      );
    // Token 4 attends to nothing, and nothing to it.
    const [query, key, value] = [draw(4), draw(4), draw(4)];
    const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor =>
      spmm(attentionWeights(q as tf.Tensor4D, k as tf.Tensor4D, pattern), v);
    const isGood = async (tensor: tf.Tensor): Promise<boolean> => (await tensor.data()).every((x) => Number.isFinite(x));
    expect(await isGood(attend(query, key, value))).toBeTrue();
    for (const gradient of tf.grads(attend)([query, key, value])) expect(await isGood(gradient)).toBeTrue();
    tf.engine().endScope();
  });

  it('leave nothing behind', () => {
    tf.engine().startScope();
    const {tensors, given, spelled} = call({...PLAIN, softcap: 2});
    const before = tf.memory().numTensors;
    const weights = weightsOf({given, spelled, tensors}, tensors);
    expect(tf.memory().numTensors).toBe(before + 1);
    const output = spmm(weights, tensors['value']!);
    expect(tf.memory().numTensors).toBe(before + 2);
    weights.dispose();
    output.dispose();
    expect(tf.memory().numTensors).toBe(before);
    const kept = tf.tidy(
      () => weightsOf({given, spelled, tensors}, tensors).withValues(weightsOf({given, spelled, tensors}, tensors)) as never,
    ) as SparseScores;
    expect(kept.values.isDisposed).toBeFalse();
    expect(tf.memory().numTensors).toBe(before + 1);
    tf.engine().endScope();
  });
}
