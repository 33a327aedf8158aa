import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {causal, full, sparseAttention, type SparseAttentionOptions} from '../../../src/index.js';
import {largestError, randomInputs, type AttentionInputs} from '../../oracle.js';
import {expectGradient, gradientTolerance, oracleGradients} from '../../oracle_gradients.js';
import {tensorsOf} from '../../support/attend.js';
import {expectGradients} from '../../support/gradient_cases.js';
import {inHalves} from '../../support/halves.js';
import {BASE, type OptionCase} from '../../support/option_cases.js';
import {problemFor} from '../../support/plans.js';

const HALVES: OptionCase = {...BASE, precision: 'float16'};
const SIZES = {queryLength: 64, keyLength: 64, queryOffset: 0};

/** Gradients of query, key and value of float16 attention for `dOutput`. */
async function gradients(
  inputs: AttentionInputs,
  dOutput: Float32Array,
  options: SparseAttentionOptions = {},
): Promise<Record<'query' | 'key' | 'value', Float32Array>> {
  const {batch, heads, queryLength, valueDim} = inputs;
  const weights = tf.tensor4d(dOutput, [batch, heads, queryLength, valueDim]);
  const attend = (...[q, k, v]: tf.Tensor[]): tf.Tensor => sparseAttention(q!, k!, v!, full(), {...options, precision: 'float16'});
  const found = tf.grads(attend)(tensorsOf(inputs), weights);
  const [query, key, value] = (await Promise.all(found.map((gradient) => gradient.data()))) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return {query, key, value};
}

/** As `inputs`, with the largest score of the size given. */
function withScores(inputs: AttentionInputs, largest: number, scale: number): AttentionInputs {
  const {queryLength, keyLength, headDim, query, key} = inputs;
  let most = 0;
  for (let q = 0; q < queryLength; q++)
    for (let k = 0; k < keyLength; k++) {
      let score = 0;
      for (let d = 0; d < headDim; d++) score += scale * query[q * headDim + d]! * key[k * headDim + d]!;
      most = Math.max(most, Math.abs(score));
    }
  return {...inputs, query: query.map((x) => (x * largest) / most)};
}

describe('on WebGPU, gradients of float16 attention', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const options: Partial<OptionCase> = {
    ...{lengths: true, segments: true, alibi: true, relative: 'heads', sinks: true, softcap: 1.2, dropout: 0.3},
    ...{layout: 'blhd', headDim: 6, valueDim: 5, aux: true},
  };
  const CASES: readonly (readonly [string, Partial<OptionCase>])[] = [
    ['grouped heads', {aux: true}],
    ['options, another layout, features that fill no vec4', options],
    ['a bias, every tile', {implementation: 'dense', bias: [true, true, true, true]}],
    [
      'rank 3, two passes',
      {rank3: true, keyHeads: 1, group: 1, pattern: 'strided(stride: 8) and causal() or slidingWindow(left: 7)'},
    ],
  ];
  for (const [what, changes] of CASES)
    it(`are those of float64 for the halves that were read: ${what}`, () => expectGradients({...HALVES, ...changes}, what));

  const scale = 1 / 4;
  const inputs = withScores(randomInputs(problemFor(SIZES, {valueDim: 64})), 303, scale);

  it('come from rows whose probabilities sum to 1, whatever their scores', async () => {
    // Row q alone is given in feature q, so the gradient of value k holds the probability of every row for key k.
    const identity = Float32Array.from({length: 64 * 64}, (_, i) => (i % 65 === 0 ? 1 : 0));
    const {value} = await gradients(inputs, identity, {scale});
    for (let q = 0; q < 64; q++) {
      let sum = 0;
      for (let k = 0; k < 64; k++) sum += value[64 * k + q]!;
      // Scores of 437 in units of log2 are rounded to 2⁻¹⁶ in float32, and so are logarithms of probabilities.
      expect(Math.abs(sum - 1))
        .withContext(`row ${q}`)
        .toBeLessThanOrEqual(2 ** -15);
    }
  });

  it('are as near those of the tensors as the gradients of their halves can be', async () => {
    const {value: dOutput} = randomInputs(problemFor(SIZES, {valueDim: 64}), 9);
    const found = await gradients(inputs, dOutput, {scale});
    const exact = oracleGradients(inputs, () => true, {scale}, dOutput);
    const ofHalves = oracleGradients(inHalves(inputs), () => true, {scale}, dOutput);
    for (const name of ['query', 'key', 'value'] as const)
      expect(largestError(found[name], exact[name]))
        .withContext(name)
        .toBeLessThanOrEqual(1.3 * largestError(ofHalves[name], exact[name]));
  });

  it('take floats past the largest half as the largest, and pass through', async () => {
    const large = randomInputs(problemFor(SIZES, {headDim: 8}));
    for (const [tensor, at, size] of [
      [large.query, 8 * 5, 7e4],
      [large.query, 8 * 6 + 3, -1e9],
      [large.key, 8 * 20 + 1, 3e38],
      [large.value, 8 * 21, -66000],
    ] as const)
      tensor[at] = size;
    const {value: dOutput} = randomInputs(problemFor(SIZES, {headDim: 8}), 9);
    const tiny = {scale: 2e-6};
    const found = await gradients(large, dOutput, tiny);
    const read = inHalves(large);
    const expected = oracleGradients(read, () => true, tiny, dOutput);
    const limits = await gradientTolerance(read, () => true, tiny, dOutput, undefined, expected);
    for (const name of ['query', 'key', 'value'] as const) await expectGradient(found[name], expected[name], limits[name], name);
    expect(found.query.subarray(8 * 5, 8 * 7).every((x) => x !== 0)).toBeTrue();
  });

  it('are the same bits every time, and leave nothing behind', async () => {
    const given = problemFor({queryLength: 40, keyLength: 40, queryOffset: 0}, {heads: 2});
    const [q, k, v] = tensorsOf(randomInputs(given));
    const take = (): tf.Tensor[] =>
      tf.grads((...[a, b, c]: tf.Tensor[]) => sparseAttention(a!, b!, c!, causal(), {precision: 'float16'}))([q, k, v]);
    const first = await Promise.all(take().map((gradient) => gradient.data()));
    const before = tf.memory().numTensors;
    const again = take();
    expect(tf.memory().numTensors).toBe(before + 3);
    expect(await Promise.all(again.map((gradient) => gradient.data()))).toEqual(first);
  });
});
