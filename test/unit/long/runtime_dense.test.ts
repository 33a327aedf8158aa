import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import {compress, oneLine} from '../../../src/acsr/index.js';
import {
  blockLocal,
  causal,
  documents,
  fromMask,
  full,
  globalTokens,
  parsePattern,
  slidingWindow,
  strided,
  type Pattern,
} from '../../../src/pattern/index.js';
import {prepare, sparseAttention} from '../../../src/runtime/index.js';
import {chunkRows, drawMask} from '../../../src/runtime/tf_ops/chunks.js';
import {chunksOf, denseAttention, toHeads} from '../../../src/runtime/tf_ops/dense.js';
import {keepFactors} from '../../../src/runtime/terms/keep_factors.js';
import {SplatError} from '../../../src/support/index.js';
import {
  broadcastBias,
  dropoutKeep,
  expectAttention,
  expectAttentionWithAux,
  mulberry32,
  randomInputs,
  withinLengths,
  type AttentionInputs,
} from '../../oracle.js';
import {arbitraryDenseCase, BESIDE_LENGTHS, PLAIN, spell, spoilPadding, type DenseCase} from '../../support/dense_cases.js';

const SIZES = {batch: 2, heads: 3, queryLength: 37, keyLength: 37, headDim: 8, valueDim: 5};

function tensorsOf(inputs: AttentionInputs): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] {
  const {batch, heads, queryLength, keyLength, headDim, valueDim} = inputs;
  return [
    tf.tensor4d(inputs.query, [batch, heads, queryLength, headDim]),
    tf.tensor4d(inputs.key, [batch, heads, keyLength, headDim]),
    tf.tensor4d(inputs.value, [batch, heads, keyLength, valueDim]),
  ];
}

for (const backend of ['cpu', 'wasm'])
  describe(`dense attention of tf ops, on the ${backend} backend`, () => {
    beforeAll(async () => {
      tf.env().set('IS_TEST', true); // makes the engine fail kernels that leave tensors behind
      await tf.setBackend(backend);
    });
    afterAll(() => tf.env().set('IS_TEST', false));

    const patterns: [string, Pattern, Partial<AttentionInputs>][] = [
      ['full', full(), {}],
      ['causal', causal(), {}],
      ['a window with fewer queries than keys', slidingWindow({left: 4, right: 2}), {queryLength: 11}],
      ['a window with more queries than keys, so rows without keys', slidingWindow({left: 1}), {queryLength: 50, keyLength: 20}],
      ['strided and local', strided({stride: 5}).or(blockLocal({size: 4})), {}],
      ['global tokens', globalTokens([0, 9]).or(causal().not()), {}],
      ['documents', documents([10, 0, 27]), {}],
    ];
    for (const [name, pattern, sizes] of patterns) {
      it(`gives what the oracle gives for ${name}`, async () => {
        const inputs = randomInputs({...SIZES, ...sizes});
        const output = sparseAttention(...tensorsOf(inputs), pattern);
        expect(output.shape).toEqual([inputs.batch, inputs.heads, inputs.queryLength, inputs.valueDim]);
        await expectAttention(output, inputs, (query, key) => pattern.attends(query, key, inputs), {}, name);
      });
    }

    it('gives what the oracle gives for rows of bits', async () => {
      const inputs = randomInputs({...SIZES, queryLength: 9, keyLength: 1000});
      const random = mulberry32(7);
      const mask = Array.from({length: 9 * 1000}, () => random() < 0.4);
      const pattern = fromMask(mask, {queryLength: 9, keyLength: 1000});
      expect(compress(pattern, {...inputs, queryOffset: 0}).irregularRows.length).toBe(9);
      await expectAttention(sparseAttention(...tensorsOf(inputs), pattern), inputs, (q, k) => mask[q * 1000 + k]!);
    });

    it('adds biases of every broadcast shape', async () => {
      const inputs = randomInputs(SIZES, 2);
      const random = mulberry32(3);
      for (const shape of [
        [2, 3, 37, 37],
        [2, 1, 1, 37],
        [1, 3, 37, 1],
        [1, 1, 1, 1],
      ] as const) {
        const data = Float32Array.from({length: tf.util.sizeFromShape([...shape])}, () =>
          random() < 0.2 ? -Infinity : 4 * random(),
        );
        const options = {scale: 0.3, bias: tf.tensor4d(data, [...shape])};
        const output = sparseAttention(...tensorsOf(inputs), causal(), options);
        await expectAttention(
          output,
          inputs,
          (q, k) => k <= q,
          {scale: 0.3, bias: broadcastBias(data, shape)},
          `bias ${shape.join()}`,
        );
      }
    });

    it('gives zeros where a bias excludes every key, and where no bias could help', async () => {
      const inputs = randomInputs(SIZES);
      const output = await sparseAttention(...tensorsOf(inputs), causal(), {bias: tf.fill([37], -Infinity)}).data();
      expect(output.every((x) => x === 0)).toBeTrue();
    });

    it('takes a boolean tensor in place of a pattern', async () => {
      const inputs = randomInputs(SIZES, 4);
      const random = mulberry32(5);
      for (const shape of [
        [2, 3, 37, 37],
        [37, 37],
        [2, 1, 1, 37],
        [3, 37, 1],
      ]) {
        const mask = Uint8Array.from({length: tf.util.sizeFromShape(shape)}, () => (random() < 0.6 ? 1 : 0));
        const full4 = [...Array<number>(4 - shape.length).fill(1), ...shape] as [number, number, number, number];
        const read = broadcastBias(Float32Array.from(mask), full4);
        const output = sparseAttention(...tensorsOf(inputs), tf.tensor(mask, shape, 'bool'));
        await expectAttention(output, inputs, (q, k, b, h) => read(b, h, q, k) === 1, {}, `mask ${shape.join()}`);
      }
    });

    it('lets NaN of a key reach only the rows that attend to it', async () => {
      const inputs = randomInputs({...SIZES, batch: 1, heads: 1});
      inputs.key.fill(NaN, 20 * 8, 21 * 8);
      const output = await sparseAttention(...tensorsOf(inputs), slidingWindow({left: 2})).data();
      const finite = Array.from({length: 37}, (_, row) => output.slice(row * 5, row * 5 + 5).every(Number.isFinite));
      expect(finite).toEqual(Array.from({length: 37}, (_, row) => row < 20 || row > 22));
    });

    it('joins the chunks that a window is cut into', async () => {
      const inputs = randomInputs({batch: 1, heads: 2, queryLength: 300, keyLength: 300, headDim: 2, valueDim: 1});
      const pattern = slidingWindow({left: 4}).and(globalTokens([150]).not());
      await expectAttention(sparseAttention(...tensorsOf(inputs), pattern), inputs, (q, k) => pattern.attends(q, k, inputs));
    });

    const options: [string, Partial<DenseCase>][] = [
      ['fewer key heads', {}],
      ['heads after rows', {layout: 'blhd'}],
      ['one head', {rank3: true, keyHeads: 1, group: 1, layout: 'blhd'}],
      ['neither pattern nor mask', {pattern: null}],
      ['a mask of its own for each head', {pattern: null, mask: [true, true, true, true]}],
      ['a pattern and a mask of keys', {mask: [true, false, false, true]}],
      ['lengths', {lengths: true}],
      ['segments', {segments: true}],
      ['slopes', {alibi: true}],
      ['a relative bias of each head', {relative: 'heads'}],
      ['one relative bias', {relative: 'one', bias: [false, true, false, true]}],
      ['sinks', {sinks: true, pattern: 'slidingWindow(left: 1)', queryOffset: 12}],
      ['a softcap', {softcap: 0.7}],
      ['dropout', {dropout: 0.4, seed: 77}],
      ['rows without keys', {pattern: 'prefix(0)'}],
      ['rows without keys beside sinks', {pattern: 'prefix(0)', sinks: true}],
    ];
    const expectCase = async (given: DenseCase, what: string): Promise<void> => {
      const {inputs, attends, says, options, tensors, plain} = spell(given);
      const {output, logSumExp} = denseAttention(tensors, options);
      expect(output.shape).toEqual([...tensors.query.shape.slice(0, -1), given.valueDim]);
      expect(logSumExp.shape).toEqual([inputs.batch, inputs.heads, inputs.queryLength]);
      await expectAttentionWithAux({output: plain(output), logSumExp}, inputs, attends, says, what);
    };
    for (const [name, changes] of options)
      it(`gives what the oracle gives with ${name}`, () => expectCase({...PLAIN, ...changes}, name));

    it('gives what the oracle gives with any options together', () =>
      fc.assert(
        fc.asyncProperty(arbitraryDenseCase(), async (given) => {
          tf.engine().startScope();
          await expectCase(given, JSON.stringify(given));
          tf.engine().endScope();
        }),
        {numRuns: 60},
      ));

    it('joins chunks of everything at once', async () => {
      const given: DenseCase = {
        ...{...PLAIN, batch: 1, queryLength: 210, keyLength: 190, headDim: 2, valueDim: 2, queryOffset: -10, layout: 'blhd'},
        ...{pattern: 'slidingWindow(left: 4, right: 1)', bias: [true, true, true, true], mask: [false, true, false, true]},
        ...{lengths: true, segments: true, alibi: true, relative: 'heads', sinks: true, softcap: 2, dropout: 0.2},
      };
      const {tensors, options} = spell(given);
      expect(chunksOf(toHeads(tensors, 'blhd'), options.lines).length).toBeGreaterThan(2);
      await expectCase(given, 'chunks');
    });

    it('lets NaN behind the lengths of a batch reach no row', async () => {
      const given = spell({...PLAIN, pattern: null, softcap: 2, alibi: true});
      // Both heads of batch 0.
      const spoilt = given.inputs.key.map((x, i) => (i < 2 * 17 * 5 && i % (17 * 5) >= 11 * 5 ? NaN : x));
      const key = given.laidOut(spoilt, 2, 17, 5);
      const keyLengths = tf.tensor1d([11, 17], 'int32');
      const {output, logSumExp} = denseAttention({...given.tensors, key, keyLengths}, given.options);
      const attends = withinLengths(given.attends, [11, 17]);
      await expectAttentionWithAux({output, logSumExp}, given.inputs, attends, given.says);
    });

    for (const [name, changes] of BESIDE_LENGTHS)
      it(`takes padding behind lengths that holds anything, beside ${name}`, async () => {
        for (const bad of [NaN, Infinity, -Infinity]) {
          const given = spell({...PLAIN, lengths: true, seed: 3, ...changes});
          const {tensors, spoilt} = spoilPadding(given, bad);
          expect(spoilt).toBeGreaterThan(0);
          const {output, logSumExp} = denseAttention(tensors, given.options);
          await expectAttentionWithAux({output: given.plain(output), logSumExp}, given.inputs, given.attends, given.says, `${bad}`);
        }
      });

    it('takes anything in a key and a value that the pattern leaves to no row', async () => {
      const inputs = randomInputs({...SIZES, queryLength: 6, keyLength: 8});
      const attends = (_: number, key: number): boolean => key % 3 !== 1;
      const pattern = fromMask(
        Array.from({length: 48}, (_, i) => attends(0, i % 8)),
        {queryLength: 6, keyLength: 8},
      );
      const spoil = (data: Float32Array, dim: number): Float32Array =>
        data.map((x, i) => (attends(0, Math.floor(i / dim) % 8) ? x : NaN));
      const spoilt = {...inputs, key: spoil(inputs.key, 8), value: spoil(inputs.value, 5)};
      await expectAttention(sparseAttention(...tensorsOf(spoilt), pattern), inputs, attends);
    });

    it('lets NaN of a padded query reach its own row and no other, beside spoilt padding', async () => {
      const inputs = randomInputs({...SIZES, batch: 1, heads: 1});
      for (const data of [inputs.query, inputs.key, inputs.value]) data.fill(NaN, 30 * (data.length / 37));
      const output = await sparseAttention(...tensorsOf(inputs), full(), {keyLengths: [30]}).data();
      const finite = Array.from({length: 37}, (_, row) => output.slice(row * 5, row * 5 + 5).every(Number.isFinite));
      expect(finite).toEqual(Array.from({length: 37}, (_, row) => row < 30));
    });

    it('keeps a softmax far from zero: every key pushed down alike', async () => {
      const given = spell({...PLAIN, pattern: null});
      const bias = tf.fill<tf.Rank.R4>([1, 1, 1, 17], -1e9);
      const {output, logSumExp} = denseAttention({...given.tensors, bias}, given.options);
      await expectAttentionWithAux({output, logSumExp}, given.inputs, given.attends, {...given.says, bias: () => -1e9});
      const sums = await logSumExp.data();
      expect(sums.every((sum) => Math.abs(sum + 1e9) < 100)).toBeTrue();
    });

    it('leaves nothing behind but its output', () => {
      const tensors = tensorsOf(randomInputs(SIZES));
      const before = tf.memory().numTensors;
      const output = sparseAttention(...tensors, causal(), {bias: new Float32Array(37)});
      expect(tf.memory().numTensors).toBe(before + 1);
      output.dispose();
    });

    it('can be prepared for, too', async () => {
      await prepare(causal(), {queryLength: 8, keyLength: 8, headDim: 4});
      await expectAsync(prepare(causal(), {queryLength: 8, keyLength: 8, headDim: 0})).toBeRejectedWithError(/headDim/);
      await expectAsync(prepare(causal(), {queryLength: 8, keyLength: 8, headDim: 4, head: 2} as never)).toBeRejectedWithError(
        /Did you mean 'heads'/,
      );
      await expectAsync(prepare(causal(), undefined as never)).toBeRejectedWithError(SplatError, /shape: found undefined/);
      for (const wrong of [{implementation: 'fuse'}, {bias: [0]}]) {
        const shape = {queryLength: 8, keyLength: 8, headDim: 4, ...wrong} as never;
        await expectAsync(prepare(causal(), shape)).toBeRejectedWithError(
          SplatError,
          /implementation: .*'fuse'|shape\.bias: found/,
        );
      }
    });
  });

describe('dropout', () => {
  it('drops in each chunk the pairs that the hash names', () => {
    const sizes = {batch: 2, heads: 3, queryLength: 11};
    for (const [rate, seed] of [
      [0.3, 0],
      [0.5, -7],
      [0.9, 2 ** 32 - 1],
    ] as const) {
      const factors = keepFactors(rate, seed, sizes, {rowBegin: 4, rowEnd: 9, keyBegin: 100, keyEnd: 107});
      const keep = dropoutKeep(rate, seed, 3, 11);
      const expected = Float32Array.from({length: 2 * 3 * 5 * 7}, (_, i) => {
        const head = Math.floor(i / 35);
        return keep(Math.floor(head / 3), head % 3, 4 + (Math.floor(i / 7) % 5), 100 + (i % 7));
      });
      expect(factors).toEqual(expected);
    }
  });

  it('drops the share that was asked for, rows and seeds independent of each other', () => {
    const sizes = {batch: 1, heads: 2, queryLength: 200};
    const chunk = {rowBegin: 0, rowEnd: 200, keyBegin: 0, keyEnd: 250};
    const dropped = (factors: Float32Array): number => factors.reduce((sum, x) => sum + (x === 0 ? 1 : 0), 0) / factors.length;
    const [a, b] = [keepFactors(0.3, 1, sizes, chunk), keepFactors(0.3, 2, sizes, chunk)];
    // 100,000 draws: four standard deviations are 0.006.
    expect(Math.abs(dropped(a) - 0.3)).toBeLessThan(0.006);
    expect(Math.abs(dropped(a.map((x, i) => Math.max(x, b[i]!))) - 0.09)).toBeLessThan(0.004);
    expect(Math.abs(dropped(a.map((x, i) => Math.max(x, a[(i + 250) % a.length]!))) - 0.09)).toBeLessThan(0.004);
    expect(new Set(a)).toEqual(new Set([0, Math.fround(1 / 0.7)]));
  });
});

describe('a backend under a name of its own', () => {
  it('runs the op, though the kernel was not registered for it', async () => {
    tf.registerBackend('custom', tf.findBackendFactory('cpu'));
    tf.copyRegisteredKernels('cpu', 'custom');
    tf.unregisterKernel('SparseAttention', 'custom');
    await tf.setBackend('custom');
    const inputs = randomInputs(SIZES);
    await expectAttention(sparseAttention(...tensorsOf(inputs), causal()), inputs, (q, k) => k <= q);
    await tf.setBackend('cpu');
    tf.removeBackend('custom');
  });
});

describe('chunks of queries', () => {
  const rowsOf = (text: string, length: number) =>
    compress(parsePattern(text), {queryLength: length, keyLength: length, queryOffset: 0});

  it('cover every query once, in order, and hold at most the pairs they may', () => {
    for (const text of ['full()', 'causal()', 'slidingWindow(left: 9)', 'globalTokens(3)', 'prefix(0)']) {
      const chunks = chunkRows(oneLine(rowsOf(text, 200)), {queryLength: 200, keyLength: 200}, 5000);
      expect(chunks.map(({rowBegin}) => rowBegin)).toEqual([0, ...chunks.slice(0, -1).map(({rowEnd}) => rowEnd)]);
      expect(chunks.at(-1)!.rowEnd).toBe(200);
      for (const {rowBegin, rowEnd, keyBegin, keyEnd} of chunks)
        expect((rowEnd - rowBegin) * (keyEnd - keyBegin)).toBeLessThanOrEqual(5000);
    }
  });

  it('compute few pairs that a window does not need', () => {
    const rows = rowsOf('slidingWindow(left: 64, right: 64)', 4096);
    const computed = chunkRows(oneLine(rows), {queryLength: 4096, keyLength: 4096}, 2 ** 22).reduce(
      (sum, chunk) => sum + (chunk.rowEnd - chunk.rowBegin) * (chunk.keyEnd - chunk.keyBegin),
      0,
    );
    expect(computed).toBeLessThan(2.1 * rows.nnz);
  });

  it('draw the mask that the rows say', () => {
    const rows = rowsOf('strided(stride: 3) and causal()', 7);
    expect(drawMask(rows, {rowBegin: 3, rowEnd: 5, keyBegin: 0, keyEnd: 5})).toEqual({
      mask: Uint8Array.of(1, 0, 0, 1, 0, 0, 1, 0, 0, 1),
      pairs: 4,
    });
  });
});
