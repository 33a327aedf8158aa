import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import {chunksOf, denseAttention, toHeads} from '../../../src/runtime/tf_ops/dense.js';
import {denseGradients} from '../../../src/runtime/tf_ops/dense_gradients.js';
import {mulberry32} from '../../oracle.js';
import {expectGradient, gradientTolerance, oracleGradients, sumsOfBroadcast, sumsOfDiagonals} from '../../oracle_gradients.js';
import {arbitraryDenseCase, BESIDE_LENGTHS, PLAIN, spell, spoilPadding, type DenseCase} from '../../support/dense_cases.js';

type Four = [number, number, number, number];

/** Compares every gradient with the oracle's. With `bad`, keys and values behind the lengths hold that. */
async function expectGradients(given: DenseCase, what: string, withSums = false, bad?: number): Promise<void> {
  const spelled = spell(given);
  const {inputs, attends, says, options, plain, laidOut} = spelled;
  const tensors = bad === undefined ? spelled.tensors : spoilPadding(spelled, bad).tensors;
  const {batch, heads, queryLength, keyLength, valueDim} = inputs;
  const random = mulberry32(given.seed + 1);
  const draw = (length: number): Float32Array => Float32Array.from({length}, () => 2 * random() - 1);
  const dOutput = draw(batch * heads * queryLength * valueDim);
  const dLogSumExp = withSums ? draw(batch * heads * queryLength) : undefined;
  const expected = oracleGradients(inputs, attends, says, dOutput, dLogSumExp);
  const limits = await gradientTolerance(inputs, attends, says, dOutput, dLogSumExp, expected);

  const {output, logSumExp} = denseAttention(tensors, options);
  const outcome = {
    output,
    dOutput: laidOut(dOutput, heads, queryLength, valueDim),
    ...(dLogSumExp && {dLogSumExp: tf.tensor3d(dLogSumExp, [batch, heads, queryLength])}),
  };
  logSumExp.dispose();
  const found = denseGradients(tensors, options, outcome);
  for (const name of ['query', 'key', 'value'] as const) {
    expect(found[name].shape).withContext(`shape of ${name} of ${what}`).toEqual(tensors[name].shape);
    await expectGradient(plain(found[name]), expected[name], limits[name], `${name} of ${what}`);
  }
  const sizes: Four = [batch, heads, queryLength, keyLength];
  const expectSums = async (tensor: tf.Tensor, reduce: (scores: ArrayLike<number>) => Float64Array, name: string): Promise<void> =>
    expectGradient(tensor, reduce(expected.scores), limits.sums(reduce), `${name} of ${what}`);
  const {bias, relativeBias, alibiSlopes, sinks} = tensors;
  expect(Object.keys(found).sort())
    .withContext(what)
    .toEqual(
      [
        'query',
        'key',
        'value',
        ...Object.entries({bias, relativeBias, alibiSlopes, sinks}).flatMap(([k, v]) => (v ? [k] : [])),
      ].sort(),
    );
  if (bias) {
    expect(found.bias!.shape).toEqual(bias.shape);
    await expectSums(found.bias!, (scores) => sumsOfBroadcast(scores, sizes, bias.shape), 'bias');
  }
  if (relativeBias) {
    expect(found.relativeBias!.shape).toEqual(relativeBias.shape);
    await expectSums(found.relativeBias!, (scores) => sumsOfDiagonals(scores, sizes, relativeBias.shape[0]), 'relative bias');
  }
  if (alibiSlopes) {
    const far = (i: number): number => -Math.abs((Math.floor(i / keyLength) % queryLength) + given.queryOffset - (i % keyLength));
    const weighed = (scores: ArrayLike<number>): Float64Array => Float64Array.from(scores, (x, i) => x * far(i));
    await expectSums(found.alibiSlopes!, (scores) => sumsOfBroadcast(weighed(scores), sizes, [1, heads, 1, 1]), 'slopes');
  }
  if (sinks) await expectGradient(found.sinks!, expected.sinks!, limits.sinks, `sinks of ${what}`);
}

for (const backend of ['cpu', 'wasm'])
  describe(`gradients of dense attention, on the ${backend} backend`, () => {
    beforeAll(async () => {
      tf.env().set('IS_TEST', true); // makes the engine fail kernels that leave tensors behind
      await tf.setBackend(backend);
    });
    afterAll(() => tf.env().set('IS_TEST', false));

    const cases: [string, Partial<DenseCase>][] = [
      ['a pattern', {}],
      ['as many key heads', {group: 1}],
      ['heads after rows', {layout: 'blhd'}],
      ['one head', {rank3: true, keyHeads: 1, group: 1}],
      ['rows without keys', {queryOffset: -5}],
      ['no row with keys', {pattern: 'prefix(0)', bias: [true, true, true, true], relative: 'heads', alibi: true, sinks: true}],
      ['single keys', {pattern: 'slidingWindow()'}],
      ['a full bias', {bias: [true, true, true, true]}],
      ['a bias of keys', {bias: [true, false, false, true]}],
      ['a bias of queries', {bias: [false, false, true, false]}],
      ['one number as bias', {bias: [false, false, false, false]}],
      ['a relative bias of each head', {relative: 'heads'}],
      ['one relative bias', {relative: 'one'}],
      ['slopes', {alibi: true}],
      ['sinks', {sinks: true}],
      ['a softcap', {softcap: 0.7}],
      ['dropout', {dropout: 0.4, seed: 12}],
      ['lengths and segments', {lengths: true, segments: true, pattern: null}],
      ['a mask', {mask: [true, false, true, true], pattern: null}],
    ];
    for (const [name, changes] of cases)
      it(`are those of the oracle with ${name}`, async () => {
        await expectGradients({...PLAIN, ...changes}, name);
        await expectGradients({...PLAIN, ...changes}, `${name}, logSumExp too`, true);
      });

    it('are those of the oracle with any options together', () =>
      fc.assert(
        fc.asyncProperty(arbitraryDenseCase(), fc.boolean(), async (given, withSums) => {
          tf.engine().startScope();
          await expectGradients(given, JSON.stringify(given), withSums);
          tf.engine().endScope();
        }),
        {numRuns: 60},
      ));

    it('are summed over the chunks that a window is cut into', async () => {
      const given: DenseCase = {
        ...{...PLAIN, batch: 1, group: 1, queryLength: 210, keyLength: 190, headDim: 2, valueDim: 2, queryOffset: -10},
        ...{
          pattern: 'slidingWindow(left: 4, right: 1)',
          bias: [true, true, false, true],
          relative: 'heads',
          alibi: true,
          sinks: true,
        },
        ...{softcap: 2, dropout: 0.2, segments: true},
      };
      const {tensors, options} = spell(given);
      expect(chunksOf(toHeads(tensors, 'bhld'), options.lines).length).toBeGreaterThan(2);
      await expectGradients(given, 'a window', true);
      await expectGradients({...given, bias: [true, false, true, true]}, 'a window with a full bias', true);
    });

    it('survive keys that are all pushed down alike', async () => {
      const {inputs, options, tensors} = spell({...PLAIN, pattern: null});
      const bias = tf.fill<tf.Rank.R4>([1, 1, 1, 17], -1e9);
      const dOutput = tf.randomUniform([2, 4, 13, 3], -1, 1, 'float32', 3);
      const {output} = denseAttention({...tensors, bias}, options);
      const {value} = denseGradients({...tensors, bias}, options, {output, dOutput});
      // Scores near −1e9 round to one number: every key has a share of 1/17.
      const sums = tf.sum(tf.sum(tf.reshape(dOutput, [2, 2, 2, 13, 3]), 3, true), 2);
      const expected = tf.tile(tf.div(sums, 17), [1, 1, inputs.keyLength, 1]);
      const error = await tf.max(tf.abs(tf.sub(value, expected))).data();
      expect(error[0]).toBeLessThan(1e-5);
    });

    it('let NaN that nobody attends to reach nothing', async () => {
      const {inputs, options, tensors} = spell({...PLAIN, pattern: null, softcap: 2, relative: 'one', alibi: true});
      const width = 17 * inputs.headDim;
      const spoilt = inputs.key.map((x, i) => (i < 2 * width && i % width >= 11 * inputs.headDim ? NaN : x));
      const key = tf.tensor4d(spoilt, [2, 2, 17, 5]);
      const calls = [key, tensors.key].map((key) => {
        const given = {...tensors, key, keyLengths: tf.tensor1d([11, 17], 'int32')};
        const {output} = denseAttention(given, options);
        return denseGradients(given, options, {output, dOutput: tf.ones(output.shape)});
      });
      for (const name of ['query', 'key', 'value', 'relativeBias', 'alibiSlopes'] as const)
        expect(await calls[0]![name]!.data())
          .withContext(name)
          .toEqual(await calls[1]![name]!.data());
    });

    for (const [name, changes] of BESIDE_LENGTHS)
      it(`are those of the oracle though padding behind lengths holds anything, beside ${name}`, async () => {
        for (const bad of [NaN, Infinity, -Infinity])
          await expectGradients({...PLAIN, lengths: true, seed: 3, ...changes}, `${name}, ${bad}`, true, bad);
      });

    it('take nothing from a padded query that no loss looks at, whatever it holds', async () => {
      const {inputs, options, tensors, laidOut} = spell({...PLAIN, pattern: null, sinks: true, relative: 'one'});
      const rows = (data: ArrayLike<number>, dim: number, bad: number): Float32Array =>
        Float32Array.from(data, (x, i) => (Math.floor(i / dim) % 13 < 10 ? x : bad));
      const dOutput = laidOut(rows(new Float32Array(2 * 4 * 13 * 3).fill(0.5), 3, 0), 4, 13, 3);
      const [spoilt, clean] = [NaN, 0].map((bad) => {
        const given = {...tensors, query: laidOut(rows(inputs.query, 5, bad), 4, 13, 5)};
        const {output} = denseAttention(given, options);
        return denseGradients(given, options, {output, dOutput});
      });
      for (const name of ['query', 'key', 'value', 'relativeBias', 'sinks'] as const)
        expect(await spoilt![name]!.data())
          .withContext(name)
          .toEqual(await clean![name]!.data());
    });

    it('take nothing from what comes back for a row without keys', async () => {
      const {options, tensors} = spell({...PLAIN, pattern: null, softcap: 1});
      const given = {...tensors, keyLengths: tf.tensor1d([0, 17], 'int32')};
      const {output} = denseAttention(given, options);
      const dOutput = tf.concat([tf.fill([1, 4, 13, 3], NaN), tf.ones([1, 4, 13, 3])]);
      const found = denseGradients(given, options, {output, dOutput});
      for (const [name, tensor] of Object.entries(found) as [string, tf.Tensor][]) {
        const half = (await tensor.data()).slice(0, tensor.size / 2);
        expect(half.every((x) => x === 0))
          .withContext(name)
          .toBeTrue();
      }
    });

    it('take nothing from the logSumExp of a row without keys', async () => {
      const {tensors, options} = spell({...PLAIN, pattern: null, relative: 'heads', alibi: true});
      const none = {...tensors, sinks: tf.fill<tf.Rank.R1>([4], -Infinity)};
      const noRows = spell({...PLAIN, pattern: 'prefix(0)'}).options;
      for (const [given, how] of [
        [{...none, bias: tf.fill<tf.Rank.R4>([1, 1, 13, 1], -Infinity)}, options],
        [{...none, mask: tf.zeros<tf.Rank.R4>([1, 1, 1, 17], 'bool')}, options],
        [none, noRows],
      ] as const) {
        const {output, logSumExp} = denseAttention(given, how);
        expect((await logSumExp.data()).every((sum) => sum === -Infinity)).toBeTrue();
        const dOutput = tf.ones(output.shape);
        const found = denseGradients(given, how, {output, dOutput, dLogSumExp: tf.fill([2, 4, 13], NaN)});
        for (const [name, tensor] of Object.entries(found) as [string, tf.Tensor][])
          expect((await tensor.data()).every((x) => Math.abs(x) === 0))
            .withContext(name)
            .toBeTrue();
      }
    });

    it('leave nothing behind but themselves', () => {
      const {tensors, options} = spell({...PLAIN, sinks: true, dropout: 0.1, softcap: 1, bias: [false, true, true, true]});
      const {output} = denseAttention(tensors, options);
      const dOutput = tf.ones(output.shape);
      const before = tf.memory().numTensors;
      const found = denseGradients(tensors, options, {output, dOutput});
      expect(tf.memory().numTensors).toBe(before + Object.keys(found).length);
    });
  });
