import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {complete, oneLine, compress, type Problem, type Precision, formatsOf} from '../../../src/pure.js';
import {causal, globalTokens, prepare, slidingWindow, sparseAttention, strided, type Pattern} from '../../../src/index.js';
import {TILES} from '../../../src/plan/configurations.js';
import {checkPlan, CORE_DEVICE, makePlan, type TileShape} from '../../../src/plan/index.js';
import {generate} from '../../../src/wgsl/index.js';
import {CORPUS, corpusCase, problemOfCase, type Case} from '../../corpus.js';
import {oracleGradients} from '../../oracle_gradients.js';
import {drawMask, MASK_ZOO} from '../../support/mask_zoo.js';
import {expectAttention, expectWithin, mulberry32, randomInputs, type AttentionInputs, type OracleOptions} from '../../oracle.js';
import {arbitraryCase} from '../../support/arbitraries.js';
import {host, poison, runCompiled, tensorsOf} from '../../support/attend.js';
import {inHalves} from '../../support/halves.js';
import {problemFor} from '../../support/plans.js';
import {onSecondBackend} from '../../support/second_backend.js';

const PRECISIONS = ['float32', 'float16'] as const;
const IMPLEMENTATIONS = ['fused', 'dense'] as const;

/** What the kernel computes with: the inputs themselves, or what their conversion leaves of them. */
const asStored = (inputs: AttentionInputs, precision: Precision): AttentionInputs =>
  precision === 'float16' ? inHalves(inputs) : inputs;

/** The words of a mask would fill pages. */
const told = (pattern: Pattern): string => pattern.toString().slice(0, 120);

describe('the kernels for what a device has beyond core WebGPU', () => {
  const made = onSecondBackend();

  async function expectRight(
    pattern: Pattern,
    problem: Problem,
    options: {readonly precision: Precision; readonly implementation?: 'auto' | 'fused' | 'dense'; readonly bias?: tf.Tensor},
    says: OracleOptions = {},
    inputs = randomInputs(problem),
  ): Promise<tf.TypedArray> {
    const output = sparseAttention(...tensorsOf(inputs), pattern, {queryOffset: problem.queryOffset, ...options});
    const {precision, implementation = 'auto'} = options;
    const what = `${told(pattern)}, ${JSON.stringify(problem)}, ${precision}, ${implementation}, bias ${'bias' in options}`;
    await expectAttention(output, asStored(inputs, precision), (q, k) => pattern.attends(q, k, problem), says, what);
    return output.data();
  }

  it('are those that run here', () => {
    const {subgroups, float16} = made.report;
    const acsr = compress(causal(), {queryLength: 70, keyLength: 70, queryOffset: 0});
    const problem = problemFor({queryLength: 70, keyLength: 70, queryOffset: 0});
    const {limits} = host();
    expect(limits.subgroups).toEqual(subgroups);
    expect(limits.float16).toBe(float16);
    for (const precision of PRECISIONS) {
      const plan = makePlan(acsr, problem, limits, 'fused', {formats: formatsOf(precision)});
      const names = generate(plan).map(({program}) => program.name.replace('SparseAttention.', ''));
      expect(names).toEqual(precision === 'float16' ? ['convert', 'attend'] : ['attend']);
      const {code} = generate(plan).at(-1)!.program;
      expect(code.includes('subgroupShuffleXor')).toBe(subgroups !== null);
      expect(code.includes('enable f16;')).toBe(float16 && precision === 'float16');
    }
  });

  for (const precision of PRECISIONS) {
    for (const name of [
      'causal',
      'dilated',
      'window-and-globals',
      'strided-and-local',
      'three-strides',
      'packed-documents',
      'few-queries',
      'few-keys',
      'empty-rows',
      'nothing',
      'one-pair',
      'random-mask',
      'irregular-mask',
      'unaligned-features',
    ]) {
      it(`say of ${name} what the oracle says, in memory full of NaN: ${precision}`, async () => {
        const each: Case = corpusCase(name);
        const problem = problemOfCase(each);
        const {batch, heads, queryLength, keyLength, headDim, valueDim} = problem;
        const lines = batch * heads;
        const halves = [headDim * queryLength, headDim * keyLength, valueDim * keyLength];
        for (const implementation of IMPLEMENTATIONS) {
          await poison(4 * lines * queryLength * valueDim, 16, 16 * lines * queryLength, ...halves.map((size) => 4 * lines * size));
          await expectRight(each.pattern, problem, {precision, implementation});
        }
      });
    }

    it(`compute rows one by one and in fours, with their gradients: ${precision}`, async () => {
      const n = 300;
      // 64 features: of few, scattered rows go dense.
      const problem = problemFor({queryLength: n, keyLength: n, queryOffset: 0}, {heads: 2, headDim: 64});
      for (const name of ['nearest16', 'verticalSlash', 'hub']) {
        const {pattern, attends} = drawMask(
          MASK_ZOO.find((each) => each.name === name)!,
          n,
        );
        const inputs = randomInputs(problem);
        await expectRight(pattern, problem, {precision, implementation: 'fused'});
        const given = randomInputs(problem, 2).query;
        const attend = (...all: tf.Tensor[]): tf.Tensor =>
          sparseAttention(all[0]!, all[1]!, all[2]!, pattern, {precision, implementation: 'fused'});
        const gradients = tf.grads(attend)([...tensorsOf(inputs)], tf.tensor(given, [1, 2, n, 64]));
        const right = oracleGradients(asStored(inputs, precision), attends, {}, given);
        // Devices may round to halves up or down.
        const limit = precision === 'float16' ? 5e-4 : 3e-5;
        for (const [index, what] of (['query', 'key', 'value'] as const).entries())
          expectWithin(await gradients[index]!.data(), right[what], limit, `gradient of ${what}, ${name}, ${precision}`);
      }
    });

    it(`are right for random patterns, sizes and biases: ${precision}`, async () => {
      const seed = 20261120;
      await fc.assert(
        fc.asyncProperty(
          arbitraryCase({masks: true}),
          fc.constantFrom(...IMPLEMENTATIONS),
          fc.boolean(),
          async ({pattern, shape}, implementation, biased) => {
            tf.engine().startScope();
            const problem = problemFor(shape, {batch: 2, heads: 2});
            const random = mulberry32(seed);
            const data = Float32Array.from({length: 2 * shape.keyLength}, () => (random() < 0.2 ? -Infinity : 3 * random()));
            const bias = (_b: number, head: number, _q: number, key: number): number => data[head * shape.keyLength + key]!;
            const options = biased ? {bias: tf.tensor4d(data, [1, 2, 1, shape.keyLength])} : {};
            await expectRight(pattern, problem, {precision, implementation, ...options}, biased ? {bias} : {});
            tf.engine().endScope();
          },
        ),
        {numRuns: 20, seed},
      );
    });

    it(`take padding that hides whole rows, as −Infinity and as −1e9: ${precision}`, async () => {
      const problem = problemFor({queryLength: 45, keyLength: 70, queryOffset: 25}, {batch: 2, heads: 2});
      const pattern = slidingWindow({left: 20, right: 20});
      for (const low of [-Infinity, -1e9]) {
        const data = Float32Array.from({length: 2 * 70}, (_, i) => (i < 70 || i % 70 > 50 ? low : 0));
        const bias = (batch: number, _h: number, _q: number, key: number): number => data[70 * batch + key]!;
        for (const implementation of IMPLEMENTATIONS) {
          const options = {precision, implementation, bias: tf.tensor4d(data, [2, 1, 1, 70])};
          await expectRight(pattern, problem, options, {bias});
        }
      }
    });

    it(`take a mask tensor: ${precision}`, async () => {
      const problem = problemFor({queryLength: 45, keyLength: 70, queryOffset: 25}, {batch: 2, heads: 2});
      const inputs = randomInputs(problem);
      const random = mulberry32(3);
      const mask = Uint8Array.from({length: 45 * 70}, () => (random() < 0.5 ? 1 : 0));
      const output = sparseAttention(...tensorsOf(inputs), tf.tensor2d(mask, [45, 70], 'bool'), {precision});
      await expectAttention(output, asStored(inputs, precision), (q, k) => mask[70 * q + k] === 1, {}, `mask tensor, ${precision}`);
    });

    // 16 → 16 is in every other spec.
    for (const [headDim, valueDim] of [
      [5, 3],
      [80, 80],
      [64, 32],
    ] as const) {
      it(`are right for ${headDim} features and values of ${valueDim}: ${precision}`, async () => {
        const pattern = slidingWindow({left: 30, right: 9}).or(globalTokens(2));
        const problem = problemFor({queryLength: 77, keyLength: 91, queryOffset: 14}, {headDim, valueDim, heads: 2});
        await expectRight(pattern, problem, {precision, implementation: 'fused'});
      });
    }

    it(`join rows that were cut into parts, in one pass and in two: ${precision}`, async () => {
      const {subgroups, float16} = made.report;
      for (const [pattern, keyLength] of [
        [globalTokens(5).or(causal()), 700],
        [slidingWindow({left: 450}).or(strided({stride: 2})), 1300],
      ] as const) {
        const problem = problemFor({queryLength: 60, keyLength, queryOffset: keyLength - 60}, {heads: 2});
        const acsr = compress(pattern, problem);
        // As a GPU gets it, in tiles that a software adapter compiles fast.
        const device = {...CORE_DEVICE, subgroups, float16};
        const plan = makePlan(acsr, problem, device, 'fused', {formats: formatsOf(precision), tile: TILES.software});
        checkPlan(plan);
        expect(plan.slots).toBeGreaterThan(0);
        const compiled = complete(plan, oneLine(acsr));
        const inputs = randomInputs(problem);
        await poison(4 * 2 * 60 * 16, ...Object.values(compiled.workBytes));
        const output = runCompiled(compiled, tensorsOf(inputs), 0.25);
        const what = `${told(pattern)} in parts, ${precision}`;
        await expectAttention(output, asStored(inputs, precision), (q, k) => pattern.attends(q, k, problem), {}, what);
      }
    });

    it(`may keep queries in workgroup memory: ${precision}`, async () => {
      // A software adapter would take minutes for the 4 × 8 register tile of 'staged'.
      const tile: TileShape = {...TILES.software, queries: TILES.staged.queries};
      const {subgroups, float16} = made.report;
      const device = {...CORE_DEVICE, subgroups, float16};
      for (const name of ['long-rows', 'strided-and-local', 'few-keys', 'empty-rows'] as const) {
        const {pattern, ...each} = corpusCase(name);
        const problem = problemOfCase({pattern, ...each});
        const acsr = compress(pattern, problem);
        const plan = makePlan(acsr, problem, device, 'fused', {formats: formatsOf(precision), tile});
        checkPlan(plan);
        const compiled = complete(plan, oneLine(acsr));
        expect(compiled.launches.some(({program}) => program.code.includes('// stage queries'))).toBeTrue();
        const inputs = randomInputs(problem);
        const output = runCompiled(compiled, tensorsOf(inputs), 0.25);
        const what = `${name} with staged queries, ${precision}`;
        await expectAttention(output, asStored(inputs, precision), (q, k) => pattern.attends(q, k, problem), {}, what);
      }
    });

    it(`give the same when called twice, prepared or not: ${precision}`, async () => {
      const each = corpusCase('strided-and-local');
      const problem = problemOfCase(each);
      const {queryLength, keyLength, headDim} = problem;
      await prepare(each.pattern, {queryLength, keyLength, headDim, precision, implementation: 'fused'});
      const first = await expectRight(each.pattern, problem, {precision, implementation: 'fused'});
      await poison(4 * queryLength * headDim);
      expect(await expectRight(each.pattern, problem, {precision, implementation: 'fused'})).toEqual(first);
    });

    it(`keep a NaN in the rows that attend to it: ${precision}`, async () => {
      const shape = {queryLength: 70, keyLength: 100, queryOffset: 30};
      const rowsWithNan = async (
        inputs: AttentionInputs,
        pattern: Pattern,
        implementation: 'fused' | 'dense',
      ): Promise<number[]> => {
        const output = await sparseAttention(...tensorsOf(inputs), pattern, {precision, implementation}).data();
        return [...Array(70).keys()].filter((row) => output.slice(16 * row, 16 * row + 16).some(Number.isNaN));
      };
      for (const pattern of [
        causal(),
        slidingWindow({left: 4, right: 4, dilation: 5}),
        strided({stride: 8}).or(slidingWindow({left: 7})),
      ]) {
        for (const implementation of IMPLEMENTATIONS) {
          for (const key of [0, 31, 64, 99]) {
            const inputs = randomInputs(problemFor(shape));
            inputs.key[16 * key + 5] = NaN;
            expect(await rowsWithNan(inputs, pattern, implementation))
              .withContext(`${pattern}, ${implementation}, NaN in key ${key}`)
              .toEqual([...Array(70).keys()].filter((query) => pattern.attends(query, key, shape)));
          }
          const inputs = randomInputs(problemFor(shape));
          inputs.query[16 * 31] = NaN;
          expect(await rowsWithNan(inputs, pattern, implementation))
            .withContext(`${pattern}, ${implementation}, NaN in query 31`)
            .toEqual([31]);
        }
      }
    });
  }

  it('are prepared with their conversion: the first call compiles nothing', async () => {
    const problem = problemFor({queryLength: 33, keyLength: 40, queryOffset: 7}, {headDim: 24, valueDim: 8});
    const {packedHeads: _, ...shape} = problem;
    await prepare(causal(), {...shape, precision: 'float16', implementation: 'fused'});
    const calls = spyOn(host().device, 'createComputePipeline').and.callThrough().calls;
    const ours = (): number => calls.allArgs().filter(([{label}]) => String(label).includes('SparseAttention')).length;
    await expectRight(causal(), problem, {precision: 'float16', implementation: 'fused'});
    expect(ours()).toBe(0);
    // What was not prepared is compiled, and seen to be.
    await expectRight(causal(), {...problem, headDim: 7}, {precision: 'float16', implementation: 'fused'});
    expect(ours()).toBe(2);
  });

  it('are timed by tf.time and named by tf.profile, the conversion too', async () => {
    const problem = problemFor({queryLength: 45, keyLength: 45, queryOffset: 0});
    const three = tensorsOf(randomInputs(problem));
    const run = (): tf.Tensor => sparseAttention(...three, causal(), {precision: 'float16', implementation: 'fused'});
    await run().data();
    const time = (await tf.time(run)) as unknown as {kernelMs: number; getExtraProfileInfo(): string};
    expect(time.kernelMs).toBeGreaterThanOrEqual(0);
    expect(time.getExtraProfileInfo()).toMatch(/SparseAttention\.convert.*SparseAttention\.attend/s);
    const profile = await tf.profile(run);
    // The profiler reads the output too, unheard: gone before that it would fail in the middle of a later spec.
    await (profile.result as tf.Tensor).data();
    const [kernel] = profile.kernels.filter(({name}) => name === 'SparseAttention');
    expect(kernel!.outputShapes).toEqual([[1, 1, 45, 16]]);
    expect(await (kernel!.extraInfo as unknown as Promise<string>)).toMatch(/SparseAttention\.convert.*SparseAttention\.attend/s);
  });

  it('leave tensors as they were, and nothing behind', async () => {
    const problem = problemFor({queryLength: 45, keyLength: 45, queryOffset: 0});
    const inputs = randomInputs(problem);
    const three = tensorsOf(inputs);
    const before = tf.memory().numTensors;
    const output = sparseAttention(...three, causal(), {precision: 'float16'});
    await output.data();
    output.dispose();
    expect(tf.memory().numTensors).toBe(before);
    expect(await three[1].data()).toEqual(inputs.key);
  });

  it('cover every case of the corpus by a plan', () => {
    for (const each of CORPUS) {
      for (const precision of PRECISIONS) {
        const problem = problemOfCase(each);
        const plan = makePlan(compress(each.pattern, problem), problem, host().limits, each.implementation, {
          formats: formatsOf(precision),
        });
        expect(() => checkPlan(plan))
          .withContext(`${each.name}, ${precision}`)
          .not.toThrow();
      }
    }
  });
});
