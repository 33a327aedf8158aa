import * as tf from '@tensorflow/tfjs-core';
import {compileMaskTensor, complete, oneLine, compress, isFarScale, PLAIN, type Compiled, formatsOf} from '../../../src/pure.js';
import {
  causal,
  prepare,
  slidingWindow,
  sparseAttention,
  strided,
  type Pattern,
  type SparseAttentionOptions,
} from '../../../src/index.js';
import {checkPlan, gpuOf, makePlan, REGULAR, type Kinds} from '../../../src/plan/index.js';
import {launch} from '../../../src/runtime/launch/launch.js';
import {suitsMatrices} from '../../../src/wgsl/index.js';
import {broadcastBias, mulberry32, randomInputs, withinLengths, type AttentionInputs, type Attends} from '../../oracle.js';
import {host, poison, tensorsOf} from '../../support/attend.js';
import {expectLaw} from '../../support/half_law.js';
import {handMade} from '../../support/hand_made.js';
import {biasOf, gaussianInputs, MATRIX_CASES, tileOf, type MatrixCase} from '../../support/matrix_cases.js';
import {problemFor} from '../../support/plans.js';
import {onSecondBackend} from '../../support/second_backend.js';

/** Whether plans of float16 run on tensor cores here. Everything else of this file holds for the kernels that do without them, too. */
const onMatrices = (): boolean => {
  const problem = problemFor({queryLength: 64, keyLength: 64, queryOffset: 0});
  return makePlan(compress(causal(), problem), problem, host().limits, 'fused', {formats: formatsOf('float16')}).matrix !== null;
};

const scaleOf = ({problem, scale = 1 / Math.sqrt(problem.headDim)}: MatrixCase): number => scale;

function compileCase(each: MatrixCase): Compiled {
  const {pattern, problem, implementation, bias} = each;
  const acsr = compress(pattern, problem);
  // As calls have it: tensor cores are for scales of models.
  const features = {...PLAIN, bias: bias !== undefined, farScale: isFarScale({scale: scaleOf(each)})};
  const matrices = suitsMatrices(features);
  const tile = onMatrices() && matrices ? tileOf(each) : {};
  // Nothing else of a plan for tensor cores depends on this.
  const device = each.whole ? {...host().limits, software: true} : host().limits;
  const plan = makePlan(acsr, problem, device, implementation, {formats: formatsOf('float16'), matrices, ...tile});
  return complete(plan, oneLine(acsr), {features});
}

/** Runs a case in memory full of NaN and holds the output against the law. */
async function expectCase(each: MatrixCase, poisoned: boolean): Promise<void> {
  tf.engine().startScope();
  const compiled = compileCase(each);
  checkPlan(compiled.plan);
  const {problem, pattern, inputs, bias} = each;
  const scale = scaleOf(each);
  const [query, key, value] = tensorsOf(inputs);
  if (poisoned) {
    const {batch, heads, queryLength, valueDim} = problem;
    await poison(4 * batch * heads * queryLength * valueDim, ...Object.values(compiled.workBytes));
  }
  const added = bias && {bias: tf.tensor4d(bias.data, [...bias.shape])};
  const [output] = launch(host(), compiled, {query, key, value, ...added}, {scale}).map((info) =>
    tf.engine().makeTensorFromTensorInfo(info),
  );
  const found = await output!.data();
  expectLaw(found, inputs, (q, k) => pattern.attends(q, k, problem), {scale, ...biasOf(each)}, each.name);
  tf.engine().endScope();
}

describe('on tensor cores, or where there are none in registers, float16 attention', () => {
  const made = onSecondBackend({tensorCores: true});

  it('says what it runs on', async () => {
    const {tensorCores, refused, float16, subgroups} = made.report;
    const [sentence] = refused.filter((each) => each.startsWith('tensorCores: '));
    if (tensorCores.length === 0) expect(sentence).toMatch(/^tensorCores: .+\.$/s);
    else expect([sentence, float16, subgroups === null]).toEqual([undefined, true, false]);

    const [each] = [...MATRIX_CASES['patterns and lengths']!()];
    const {launches, plan} = compileCase(each!);
    const names = launches.map(({program}) => program.name.replace('SparseAttention.', ''));
    // Subgroups of other sizes than 32, or matrices of other sizes, are not used.
    const lanes = subgroups !== null && subgroups.min === 32 && subgroups.max === 32;
    const fits = tensorCores.some(
      ({componentType, resultComponentType, M, N, K}) =>
        componentType === 'f16' && resultComponentType === 'f32' && [M, N, K].every((size) => size === 8 || size === 16),
    );
    expect(onMatrices()).toBe(lanes && fits);
    if (onMatrices()) expect(names.slice(0, 3)).toEqual(['convert', 'attendMatrix', 'repair']);
    else expect(names).toEqual(['convert', 'attend']);
    expect(plan.matrix !== null).toBe(onMatrices());
    await expectCase(each!, false);
  });

  for (const [what, cases] of Object.entries(MATRIX_CASES)) {
    it(`is right within the rounding of probabilities to halves: ${what}`, async () => {
      const all = [...cases()];
      // Registers sum in float32 and have specs of their own; a software adapter takes seconds for each width.
      const few = all.filter(({problem: {headDim, valueDim}}) => headDim === 16 && valueDim === 16).filter((_, i) => i % 4 === 0);
      const run = onMatrices() ? all : few;
      expect(run.length).toBeGreaterThan(0);
      for (const [index, each] of run.entries()) await expectCase(each, index % 3 === 0);
    }, 600_000);
  }

  const shape = {queryLength: 70, keyLength: 100, queryOffset: 30};
  const HALVES: SparseAttentionOptions = {precision: 'float16'};
  const IMPLEMENTATIONS = ['fused', 'dense'] as const;
  const patterns: readonly Pattern[] = [
    causal(),
    slidingWindow({left: 70, right: 5}),
    slidingWindow({left: 4, right: 4, dilation: 5}),
    strided({stride: 8}).or(slidingWindow({left: 7})),
  ];
  /** Each pattern, fused and dense, in the widths that make sense here. */
  const everywhere = function* (): Generator<[Pattern, 'fused' | 'dense', number]> {
    for (const pattern of patterns) {
      for (const implementation of IMPLEMENTATIONS) {
        for (const headDim of onMatrices() ? [16, 64, 128] : [16]) yield [pattern, implementation, headDim];
      }
    }
  };
  const nansOf = (output: Float32Array, valueDim: number): number[] =>
    [...Array(70).keys()].filter((row) => output.slice(valueDim * row, valueDim * (row + 1)).some(Number.isNaN));

  it('keeps a NaN of a key in the rows that attend to it', async () => {
    for (const [pattern, implementation, headDim] of everywhere()) {
      for (const key of [0, 17, 31, 64, 99]) {
        const inputs = randomInputs(problemFor(shape, {headDim}));
        inputs.key[key * headDim + 5] = NaN;
        const output = await sparseAttention(...tensorsOf(inputs), pattern, {...HALVES, implementation}).data();
        expect(nansOf(output as Float32Array, headDim))
          .withContext(`rows with NaN; ${pattern}, ${implementation}, ${headDim} features, NaN in key ${key}`)
          .toEqual([...Array(70).keys()].filter((query) => pattern.attends(query, key, shape)));
      }
    }
  });

  it('keeps a NaN of a query in its row', async () => {
    for (const [pattern, implementation, headDim] of everywhere()) {
      for (const query of [0, 31, 69]) {
        const inputs = randomInputs(problemFor(shape, {headDim}));
        inputs.query[query * headDim] = NaN;
        const output = await sparseAttention(...tensorsOf(inputs), pattern, {...HALVES, implementation}).data();
        expect(nansOf(output as Float32Array, headDim))
          .withContext(`rows with NaN; ${pattern}, ${implementation}, ${headDim} features, NaN in query ${query}`)
          .toEqual([query]);
      }
    }
  });

  it('keeps a NaN of a value in its column, in the rows that attend to it at least', async () => {
    for (const [pattern, implementation, headDim] of everywhere()) {
      const inputs = randomInputs(problemFor(shape, {headDim}));
      inputs.value[50 * headDim + 3] = NaN;
      const output = await sparseAttention(...tensorsOf(inputs), pattern, {...HALVES, implementation}).data();
      for (let query = 0; query < 70; query++) {
        const row = output.slice(headDim * query, headDim * (query + 1));
        const what = `row ${query}; ${pattern}, ${implementation}, ${headDim} features`;
        if (pattern.attends(query, 50, shape)) expect(row[3]).withContext(what).toBeNaN();
        expect(row.filter((x, column) => column !== 3 && Number.isNaN(x)).length)
          .withContext(`NaN in other columns of ${what}`)
          .toBe(0);
      }
    }
  });

  it('does not see a NaN or an infinity in keys that nobody attends to', async () => {
    const pattern = causal().and(slidingWindow({left: 20}));
    for (const headDim of onMatrices() ? [16, 64] : [16]) {
      for (const bad of [NaN, Infinity, -Infinity]) {
        const inputs = gaussianInputs(problemFor(shape, {headDim}));
        // Query 0 stands at key 30 and sees keys 10 and after.
        inputs.key.fill(bad, 0, 10 * headDim);
        const clean: AttentionInputs = {...inputs, key: inputs.key.map((x, i) => (i < 10 * headDim ? 0 : x))};
        for (const implementation of IMPLEMENTATIONS) {
          const output = await sparseAttention(...tensorsOf(inputs), pattern, {...HALVES, implementation}).data();
          const what = `${bad} in hidden keys, ${implementation}, ${headDim} features`;
          expectLaw(output as Float32Array, clean, (q, k) => pattern.attends(q, k, shape), {}, what);
        }
      }
    }
  });

  it('takes a mask tensor of every shape that broadcasts, with and without a bias', async () => {
    const [batch, heads, queryLength, keyLength] = [2, 2, 45, 70];
    const problem = problemFor({queryLength, keyLength, queryOffset: 25}, {batch, heads});
    const inputs = gaussianInputs(problem);
    for (let bits = 0; bits < 16; bits += onMatrices() ? 1 : 5) {
      const dims = [batch, heads, queryLength, keyLength].map((size, i) => ((bits >> i) & 1 ? 1 : size)) as [
        number,
        number,
        number,
        number,
      ];
      const random = mulberry32(bits);
      const mask = Uint8Array.from({length: tf.util.sizeFromShape(dims)}, () => (random() < 0.6 ? 1 : 0));
      const read = broadcastBias(Float32Array.from(mask), dims);
      const slope = (_b: number, head: number, _q: number, key: number): number => 0.1 * head - 0.01 * key;
      const bias = tf.tensor4d(
        Float32Array.from({length: heads * keyLength}, (_, i) => slope(0, Math.floor(i / keyLength), 0, i % keyLength)),
        [1, heads, 1, keyLength],
      );
      for (const options of [{}, {bias}]) {
        const output = await sparseAttention(...tensorsOf(inputs), tf.tensor(mask, dims, 'bool'), {...HALVES, ...options}).data();
        expectLaw(
          output as Float32Array,
          inputs,
          (q, k, b, h) => read(b, h, q, k) === 1,
          'bias' in options ? {bias: slope} : {},
          `a mask tensor [${dims.join()}], options ${Object.keys(options).join()}`,
        );
      }
    }
  });

  it('goes from one tile of a mask tensor that holds something to the next', async () => {
    const [batch, heads, queryLength, keyLength] = [2, 2, 300, 333];
    const problem = problemFor({queryLength, keyLength, queryOffset: 33}, {batch, heads, headDim: onMatrices() ? 64 : 16});
    // Blocks as wide as a state: nothing, all, or some. One tile of rows has no key at all, and so has one row.
    const blocks: Attends = (q, k, b, h) => {
      const tile = q >> 7;
      if (q === 40 || (tile === 1 && b === 1 && h === 0)) return false;
      const drawn = mulberry32(1 + (k >> 5) + 16 * tile + 64 * b + 128 * h)();
      return drawn < 0.45 ? false : drawn < 0.75 || (q * 5 + k * 3) % 7 < 3;
    };
    for (const dims of [
      [batch, heads, queryLength, keyLength],
      [1, 1, queryLength, keyLength],
      [batch, 1, 1, keyLength],
    ] as const) {
      const attends: Attends = (q, k, b, h) => blocks(q % dims[2], k, b % dims[0], h % dims[1]);
      const mask = tf.tensor4d(
        Array.from({length: tf.util.sizeFromShape([...dims])}, (_, at) => {
          const [row, k] = [Math.floor(at / keyLength), at % keyLength];
          const plane = Math.floor(row / dims[2]);
          return Number(attends(row % dims[2], k, Math.floor(plane / dims[1]), plane % dims[1]));
        }),
        [...dims],
        'bool',
      );
      // The second finds scores that outgrow any reference; lengths end inside of a tile, and in the first.
      for (const scale of [1 / Math.sqrt(problem.headDim), 6])
        for (const keyLengths of [undefined, [keyLength - 30, 9]]) {
          const inputs = gaussianInputs(problem);
          const within = keyLengths === undefined ? attends : withinLengths(attends, keyLengths);
          // Behind its keys a sequence may hold anything.
          const spoilt = (data: ArrayLike<number>): Float32Array =>
            Float32Array.from(data, (x, at) => {
              const [row, sequence] = [Math.floor(at / problem.headDim), Math.floor(at / (data.length / batch))];
              return keyLengths !== undefined && row % keyLength >= keyLengths[sequence]! ? NaN : x;
            });
          const [query, key, value] = tensorsOf({...inputs, key: spoilt(inputs.key), value: spoilt(inputs.value)});
          await poison(4 * batch * heads * queryLength * problem.valueDim, 8 * 4096);
          const options = {...HALVES, scale, ...(keyLengths && {keyLengths})};
          const output = await sparseAttention(query, key, value, mask, options).data();
          const what = `a mask tensor [${dims.join()}], scale ${scale}, lengths ${keyLengths?.join()}`;
          expectLaw(output as Float32Array, inputs, within, {scale}, what);
          if (keyLengths !== undefined) continue;
          // The same in rows that are not cut, with and without a branch around the scores of the next tile: for a device that has no room for more workgroups.
          for (const multiprocessors of [1, 132]) {
            const gpu = {...gpuOf(host().limits), multiprocessors, workgroupMemory: multiprocessors === 1 ? 16384 : 0};
            const compiled = compileMaskTensor(problem, {...host().limits, gpu}, dims, {precision: 'float16'});
            expect(compiled.plan.passes.map(({slots}) => slots)).toEqual([0]);
            await poison(4 * batch * heads * queryLength * problem.valueDim, ...Object.values(compiled.workBytes));
            const [info] = launch(host(), compiled, {query, key, value, mask}, {scale});
            const whole = await tf.engine().makeTensorFromTensorInfo(info!).data();
            expectLaw(whole, inputs, within, {scale}, `${what}, rows that are not cut, ${multiprocessors} multiprocessors`);
          }
        }
    }
  });

  it('gives the same twice, and what was prepared', async () => {
    const pattern = strided({stride: 16})
      .and(causal())
      .or(slidingWindow({left: 15}));
    const headDim = onMatrices() ? 64 : 16;
    const problem = problemFor({queryLength: 260, keyLength: 260, queryOffset: 0}, {headDim, heads: 2});
    const {queryLength, keyLength, heads} = problem;
    await prepare(pattern, {queryLength, keyLength, heads, headDim, precision: 'float16', implementation: 'fused'});
    const inputs = gaussianInputs(problem);
    const three = tensorsOf(inputs);
    const run = (): Promise<tf.TypedArray> =>
      sparseAttention(...three, pattern, {...HALVES, implementation: 'fused'}).data() as Promise<tf.TypedArray>;
    const first = await run();
    expectLaw(first as Float32Array, inputs, (q, k) => pattern.attends(q, k, problem), {}, 'the first of two equal calls');
    expect(await run()).toEqual(first);
  });

  it('follows schedules that name rows, keys, pairs, heads and sequences in any way', async () => {
    const shape = {queryLength: 70, keyLength: 150, queryOffset: 0};
    const problem = problemFor(shape, {batch: 2, heads: 2, headDim: 32});
    const inputs = gaussianInputs(problem);
    const pairs: Attends = (q, k, b, h) =>
      (q < 32 && k >= 60) || (q % 11 !== 5 && mulberry32(((b * 2 + h) * 70 + q) * 150 + k + 1)() < 0.2);
    const thirds: Attends = (q, k, _b, h) => k % 3 === 0 && k >= q - 9 * h && k <= q + 40;
    const base = makePlan(compress(causal(), problem), problem, host().limits, 'fused', {formats: formatsOf('float16')});
    for (const [kinds, attends, parts] of [
      [{...REGULAR, rows: 'list', keys: 'list', mask: 'bits', heads: 'item', batch: 'item'}, pairs, true],
      [{...REGULAR, keys: 'list', heads: 'item'}, thirds, false],
      [{...REGULAR, rows: 'list', mask: 'bits', batch: 'item'}, (q, k, b) => pairs(q, k, b, 0), false],
    ] as [Kinds, Attends, boolean][]) {
      const what = Object.values(kinds).join();
      const own: Attends = kinds.batch === 'item' ? attends : (q, k, _b, h) => attends(q, k, 0, h);
      const compiled = complete(handMade(problem, kinds, own, parts, base), null);
      // The second finds scores that outgrow any reference.
      for (const scale of [1 / Math.sqrt(32), 6]) {
        tf.engine().startScope();
        const [query, key, value] = tensorsOf(inputs);
        const [info] = launch(host(), compiled, {query, key, value}, {scale});
        const found = await tf.engine().makeTensorFromTensorInfo(info!).data();
        expectLaw(found, inputs, own, {scale}, `${what}, scale ${scale}`);
        tf.engine().endScope();
      }
    }
  });
});
