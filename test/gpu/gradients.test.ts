import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {full, parsePattern, slidingWindow, sparseAttention, sparseAttentionWithAux} from '../../src/index.js';
import {CORPUS} from '../corpus.js';
import {expectWithin, mulberry32, randomInputs} from '../oracle.js';
import {expectGradient, gradientTolerance, oracleGradients, sumsOfBroadcast} from '../oracle_gradients.js';
import {poison, tensorsOf} from '../support/attend.js';
import {spell} from '../support/dense_cases.js';
import {drawGiven, expectGradients, gradientPlanInParts, gradientsInParts, gradientsOf} from '../support/gradient_cases.js';
import {BASE, problemOfCase, type OptionCase, type Tensors} from '../support/option_cases.js';
import {problemFor} from '../support/plans.js';

const MANY: Partial<OptionCase> = {
  ...{lengths: true, segments: true, alibi: true, relative: 'heads', sinks: true, softcap: 1.2, dropout: 0.3},
  ...{layout: 'blhd', valueDim: 5, aux: true},
};

const read = async (tensors: Tensors): Promise<Record<string, Float32Array>> =>
  Object.fromEntries(await Promise.all(Object.entries(tensors).map(async ([name, tensor]) => [name, await tensor.data()])));

describe('on WebGPU, gradients of attention', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const {name, pattern, shape, headDim, valueDim, heads, batch, implementation = 'auto'} of CORPUS)
    it(`are those of the oracle for ${name}`, async () => {
      const queryOffset = shape.queryOffset ?? shape.keyLength - shape.queryLength;
      const sizes = {...shape, queryOffset, headDim, valueDim, batch, keyHeads: heads, group: 1};
      for (const each of [implementation, 'dense'] as const) {
        const given: OptionCase = {...BASE, ...sizes, pattern: pattern.toString(), implementation: each};
        await expectGradients(given, `${name}, ${each}`);
      }
    });

  it('reach a bias of every broadcast shape', async () => {
    for (let bits = 0; bits < 16; bits++) {
      const bias = [0, 1, 2, 3].map((i) => ((bits >> i) & 1) === 1);
      await expectGradients({...BASE, group: 1, queryLength: 21, keyLength: 40, queryOffset: 9, bias, seed: bits});
    }
    for (const lengths of [{queryLength: 1}, {keyLength: 1}, {queryLength: 1, keyLength: 1}])
      await expectGradients({...BASE, ...lengths, pattern: 'full()', bias: [true, true, true, true], aux: true});
  });

  it('are those of the oracle in rank 3, with the log-sum-exp of rows without keys', async () => {
    const one: Partial<OptionCase> = {rank3: true, keyHeads: 1, group: 1, queryOffset: -9, aux: true};
    await expectGradients({...BASE, ...one, layout: 'blhd'});
    await expectGradients({...BASE, ...one, implementation: 'dense'});
  });

  it('are the same bits every time, whatever memory held before', async () => {
    for (const changes of [{}, {...MANY, pattern: 'strided(stride: 8) and causal() or slidingWindow(left: 7)'}]) {
      const given: OptionCase = {...BASE, ...changes};
      const spelled = spell(given);
      const back = drawGiven(given, spelled);
      const first = await read(gradientsOf(given, spelled, back));
      expect(await read(gradientsOf(given, spelled, back))).toEqual(first);
      await poison(...new Set(Object.values(first).map(({byteLength}) => byteLength)), 8 * 2 * 4 * 45, 4 * 2 * 4 * 45 * 70);
      expect(await read(gradientsOf(given, spelled, back))).toEqual(first);
    }
  });
});

describe('on WebGPU, gradients in parts', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const globals = 'globalTokens(5)';
  const strides = 'globalTokens([3, 390]) or strided(stride: 2) and globalTokens(40)';
  const CASES: readonly (readonly [string, Partial<OptionCase>])[] = [
    ['long rows and keys', {pattern: globals, group: 1, queryLength: 300, keyLength: 320, queryOffset: 0}],
    ['two passes', {pattern: strides, queryLength: 400, keyLength: 400, queryOffset: 0}],
    ['with options', {...MANY, pattern: globals, queryLength: 300, keyLength: 320, queryOffset: 3, headDim: 16}],
  ];
  for (const [what, changes] of CASES)
    it(`are those of the oracle: ${what}`, async () => {
      const given: OptionCase = {...BASE, batch: 1, keyHeads: 1, ...changes};
      const spelled = spell(given);
      const back = drawGiven(given, spelled);
      const pattern = parsePattern(given.pattern!);
      const run = (): Tensors => gradientsInParts(given, spelled, pattern, back);
      const {scores, keyScores, ...found} = run();
      const {rows, keys} = gradientPlanInParts(pattern, problemOfCase(given), given.group > 1 ? 'records' : 'gradients');
      for (const {mergeBegin, mergeEnd} of rows.passes) expect(mergeEnd).toBeGreaterThan(mergeBegin);
      for (const {itemBegin, itemEnd, mergeBegin, mergeEnd} of keys.passes) {
        expect(mergeEnd).toBeGreaterThan(mergeBegin);
        expect(itemEnd - itemBegin).toBeGreaterThan(mergeEnd - mergeBegin);
      }
      const {inputs, attends, says, plain} = spelled;
      const {batch, heads, queryLength, keyLength} = inputs;
      const expected = oracleGradients(inputs, attends, says, back.dOutput, back.dLogSumExp);
      const limits = await gradientTolerance(inputs, attends, says, back.dOutput, back.dLogSumExp, expected);
      for (const name of ['query', 'key', 'value'] as const)
        await expectGradient(plain(found[name]!), expected[name], limits[name], `${name}, ${what}`);
      await expectGradient(scores!, expected.scores, limits.scores, `scores, ${what}`);
      const overRows = (all: ArrayLike<number>): Float64Array =>
        sumsOfBroadcast(all, [batch, heads, queryLength, keyLength], [batch, heads, 1, keyLength]);
      await expectGradient(keyScores!, overRows(expected.scores), limits.sums(overRows), `scores of keys, ${what}`);
      // Sums are made in a fixed order.
      expect(await read(run())).toEqual(await read({scores: scores!, keyScores: keyScores!, ...found}));
    });
});

describe('on WebGPU, gradients', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const inputs = randomInputs(problemFor({queryLength: 40, keyLength: 40, queryOffset: 0}, {heads: 2}));
  const sizes = [1, 2, 40, 16] as [number, number, number, number];
  const random = mulberry32(5);
  const dOutput = Float32Array.from({length: 2 * 40 * 16}, () => 2 * random() - 1);

  /** Gradients of query, key and value for `dOutput`. */
  function take(attention: (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => tf.Tensor, from = inputs): Tensors {
    const loss = (...[q, k, v]: tf.Tensor[]): tf.Tensor => tf.sum(tf.mul(attention(q!, k!, v!), tf.tensor4d(dOutput, sizes)));
    const [query, key, value] = tf.grads(loss)(tensorsOf(from));
    return {query: query!, key: key!, value: value!};
  }

  it('of rows whose scores are all near −10⁹ are those of uniform rows', async () => {
    // All that is left of the scores is the padding, to which float32 rounds them.
    const uniform = {...inputs, query: new Float32Array(inputs.query.length)};
    const expected = oracleGradients(uniform, () => true, {}, dOutput);
    const limits = await gradientTolerance(uniform, () => true, {}, dOutput, undefined, expected);
    const key = new Float64Array(expected.key.length);
    for (let i = 0; i < expected.scores.length; i++) {
      const [k, row] = [i % 40, Math.floor(i / 40)];
      const line = Math.floor(row / 40);
      for (let d = 0; d < 16; d++) key[(line * 40 + k) * 16 + d]! += (expected.scores[i]! * inputs.query[row * 16 + d]!) / 4;
    }
    const bias = tf.fill([1, 1, 1, 40], -1e9);
    for (const implementation of ['fused', 'dense'] as const) {
      const found = take((q, k, v) => sparseAttention(q, k, v, full(), {implementation, bias}));
      await expectGradient(found['value']!, expected.value, limits.value, `value, ${implementation}`);
      await expectGradient(found['query']!, expected.query, limits.query, `query, ${implementation}`);
      expectWithin(await found['key']!.data(), key, 1e-5, `key, ${implementation}`);
    }
  });

  it('take no NaN from keys and values past the lengths', async () => {
    const keyLengths = [23];
    const spoilt = {...inputs, key: Float32Array.from(inputs.key), value: Float32Array.from(inputs.value)};
    for (const tensor of [spoilt.key, spoilt.value])
      for (const line of [0, 1]) tensor.fill(NaN, 16 * (40 * line + 23), 16 * 40 * (line + 1));
    for (const implementation of ['fused', 'dense'] as const) {
      const attention = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor =>
        sparseAttention(q, k, v, full(), {implementation, keyLengths});
      expect(await read(take(attention, spoilt)))
        .withContext(implementation)
        .toEqual(await read(take(attention)));
    }
  });

  it('keep a NaN in the tiles of the rows and keys that see it', async () => {
    const far = randomInputs(problemFor({queryLength: 130, keyLength: 130, queryOffset: 0}));
    const pattern = slidingWindow({left: 4, right: 4});
    const gradients = async (from: typeof far, implementation: 'fused' | 'dense'): Promise<Record<string, Float32Array>> => {
      const loss = (...[q, k, v]: tf.Tensor[]): tf.Tensor =>
        tf.sum(tf.square(sparseAttention(q!, k!, v!, pattern, {implementation})));
      const [query, key, value] = tf.grads(loss)(tensorsOf(from));
      return read({query: query!, key: key!, value: value!});
    };
    for (const name of ['query', 'key', 'value'] as const) {
      const spoilt = {...far, [name]: Float32Array.from(far[name], (x, i) => (Math.floor(i / 16) === 100 ? NaN : x))};
      const [clean, found] = [await gradients(far, 'fused'), await gradients(spoilt, 'fused')];
      // What sees row or key 100, and what shares a tile of 32 with that, lies past number 64.
      for (const [of, gradient] of Object.entries(found))
        expect(gradient.subarray(0, 16 * 64))
          .withContext(`${of}, a NaN in ${name}`)
          .toEqual(clean[of]!.subarray(0, 16 * 64));
      expect(found['query']!.subarray(16 * 100, 16 * 101).every(Number.isNaN))
        .withContext(name)
        .toBeTrue();
    }
  });

  it('take nothing from the log-sum-exp of a row without keys, which is −∞', async () => {
    const pattern = slidingWindow({left: 3});
    const options = {queryOffset: -5, sinks: [0.5, -Infinity], bias: tf.zeros([1, 1, 40, 1]), alibiSlopes: [0.1, 0.2]};
    const loss = (...[q, k, v, bias, alibiSlopes, sinks]: tf.Tensor[]): tf.Tensor => {
      const {output, logSumExp} = sparseAttentionWithAux(q!, k!, v!, pattern, {
        ...options,
        bias: bias!,
        alibiSlopes: alibiSlopes!,
        sinks: sinks!,
      });
      // The gradient that comes back is infinite where the log-sum-exp is.
      return tf.add(tf.sum(output), tf.sum(tf.square(logSumExp)));
    };
    const tensors = [...tensorsOf(inputs), options.bias, tf.tensor1d(options.alibiSlopes), tf.tensor1d(options.sinks)];
    const found = tf.grads(loss)(tensors);
    for (const gradient of found) expect((await gradient.data()).every(Number.isFinite)).toBeTrue();
    const [query] = (await Promise.all(found.map((gradient) => gradient.data()))) as [Float32Array];
    for (const line of [0, 1])
      expect(query.subarray(16 * 40 * line, 16 * (40 * line + 5)).every((x) => x === 0))
        .withContext('rows without keys')
        .toBeTrue();
    const sinks = await found[5]!.data();
    expect(sinks[1]).withContext('a sink of −∞').toBe(0);
    expect(sinks[0]).not.toBe(0);
  });
});
