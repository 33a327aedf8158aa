import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {causal, globalTokens, slidingWindow, sparseAttention, strided, type Pattern} from '../../../src/index.js';
import {expectAttention, expectWithin, mulberry32, randomInputs, type AttentionInputs} from '../../oracle.js';
import {poison, tensorsOf} from '../../support/attend.js';
import {spell} from '../../support/dense_cases.js';
import {drawGiven, expectedGradients, expectGradients, expectSame, gradientsOf} from '../../support/gradient_cases.js';
import {inHalves} from '../../support/halves.js';
import {expectCausalRun, split} from '../../support/kv_cases.js';
import {MANY, shuffled} from '../../support/mask_cases.js';
import {drawMask, maskOf, MASK_ZOO} from '../../support/mask_zoo.js';
import {BASE, callCase, expectCase, type OptionCase} from '../../support/option_cases.js';
import {problemFor} from '../../support/plans.js';

const IMPLEMENTATIONS = ['fused', 'dense'] as const;
/** Rows and keys of four tiles and a bit. */
const N = 135;

/** A call by a mask of n tokens. */
const caseOf = (pattern: Pattern, n: number, changes: Partial<OptionCase> = {}): OptionCase => ({
  ...BASE,
  ...{batch: 1, keyHeads: 2, group: 1, queryLength: n, keyLength: n, queryOffset: 0, pattern: pattern.toString()},
  ...changes,
});

/** [lines, order.length, width]: row i of each line is what row order[i] was. */
const reordered = (data: Float32Array, order: readonly number[], width: number): Float32Array =>
  Float32Array.from(data, (_, i) => {
    const row = Math.floor(i / width);
    return data[(row - (row % order.length) + order[row % order.length]!) * width + (i % width)]!;
  });

describe('on WebGPU, attention by masks that no named pattern says', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const problem = problemFor({queryLength: N, keyLength: N, queryOffset: 0}, {heads: 2});
  const bytes = 4 * 2 * N * 16;
  const drawn = MASK_ZOO.map((zoo) => drawMask(zoo, N));

  for (const precision of ['float32', 'float16'] as const)
    for (const implementation of IMPLEMENTATIONS)
      it(`is that of the oracle, ${implementation} in ${precision}, whatever memory held before`, async () => {
        const inputs = randomInputs(problem);
        const read = precision === 'float16' ? inHalves(inputs) : inputs;
        for (const {name, pattern, attends} of drawn) {
          const call = (): tf.Tensor => sparseAttention(...tensorsOf(inputs), pattern, {implementation, precision});
          const first = await call().data();
          await expectAttention(first, read, attends, {}, `${name}, ${implementation}, ${precision}`);
          await poison(bytes, bytes / 2, 16, 16 * 2 * N);
          expect(await call().data())
            .withContext(`${name}, ${implementation}, ${precision}, poisoned`)
            .toEqual(first);
        }
      });

  it('takes no NaN from keys that a row does not attend to, and gives it to all rows that do', async () => {
    for (const {name, pattern, attends} of drawn) {
      const key = 70;
      const inputs = randomInputs(problem);
      for (const head of [0, 1]) inputs.key[(head * N + key) * 16 + 3] = NaN;
      for (const implementation of IMPLEMENTATIONS) {
        const output = await sparseAttention(...tensorsOf(inputs), pattern, {implementation}).data();
        const rows = Array.from({length: N}, (_, row) => Number.isNaN(output[row * 16]!));
        expect(rows)
          .withContext(`${name}, ${implementation}`)
          .toEqual(rows.map((_, row) => attends(row, key)));
      }
    }
  });

  it('has the gradients of the oracle', async () => {
    for (const {name, pattern} of drawn) await expectGradients(caseOf(pattern, N, {implementation: 'fused'}), `${name}, fused`);
    // Without order, and with tiles that dense leaves out.
    for (const {name, pattern} of drawn.filter((each) => [drawn[0]!.name, 'bigBird'].includes(each.name)))
      await expectGradients(caseOf(pattern, N, {implementation: 'dense'}), `${name}, dense`);
  });

  it('has the gradients of the oracle for grouped heads and every option', async () => {
    for (const {name, pattern} of drawn.filter((each) => ['nearest16', 'hub', 'fixed', 'randomTree'].includes(each.name))) {
      const given = caseOf(pattern, N, {...MANY, bias: null, group: 2, keyHeads: 1, aux: true});
      const spelled = spell(given);
      const back = drawGiven(given, spelled);
      const expected = await expectedGradients(given, spelled, back);
      for (const implementation of IMPLEMENTATIONS) {
        const found = gradientsOf({...given, implementation}, spelled, back);
        await expectSame(found, spelled, expected, `${name}, ${implementation}`);
      }
    }
  });

  it('gives the same numbers whichever tiles compute it, with dropout, bias and segments', async () => {
    for (const {name, pattern} of drawn) {
      const given = caseOf(pattern, N, {dropout: 0.3, bias: [false, true, true, true], segments: true});
      const spelled = spell(given);
      const [fused, dense] = IMPLEMENTATIONS.map((implementation) => callCase({...given, implementation}, spelled).output);
      expectWithin(await fused!.data(), await dense!.data(), 2 ** -19, name);
      await expectCase(given, name);
    }
  });

  it('moves its rows and its result with the rows and keys of a mask', async () => {
    const random = mulberry32(17);
    const inputs = randomInputs(problem);
    for (const {name, pattern, attends} of drawn) {
      const [rows, keys] = [shuffled(N, random), shuffled(N, random)];
      const moved: AttentionInputs = {
        ...inputs,
        query: reordered(inputs.query as Float32Array, rows, 16),
        key: reordered(inputs.key as Float32Array, keys, 16),
        value: reordered(inputs.value as Float32Array, keys, 16),
      };
      const mask = maskOf({queryLength: N, keyLength: N}, (query, key) => attends(rows[query]!, keys[key]!));
      const [before, after] = [
        sparseAttention(...tensorsOf(inputs), pattern, {implementation: 'fused'}),
        sparseAttention(...tensorsOf(moved), mask, {implementation: 'fused'}),
      ];
      const expected = reordered((await before.data()) as Float32Array, rows, 16);
      expectWithin(await after.data(), expected, 2 ** -19, `${name}, moved`);
    }
  });
});

describe('on WebGPU, steps of decoding', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const diagonal = (distance: number): Pattern =>
    distance === 0 ? slidingWindow({left: 0}) : slidingWindow({left: distance}).and(slidingWindow({left: distance - 1}).not());
  const IRREGULAR: readonly (readonly [string, Pattern])[] = [
    ['powers of two', [0, 1, 2, 4, 8, 16, 32].map(diagonal).reduce((a, b) => a.or(b))],
    [
      'scattered tokens',
      globalTokens([0, 3, 4, 9, 17, 18, 29, 41, 55])
        .or(slidingWindow({left: 2}))
        .and(causal()),
    ],
    [
      'five strides',
      [3, 5, 7, 11, 13]
        .map((stride) => strided({stride}))
        .reduce((a, b) => a.or(b))
        .and(causal()),
    ],
  ];
  for (const [what, pattern] of IRREGULAR)
    it(`are right where rows need lists: ${what}`, async () => {
      await expectCausalRun(pattern, {length: 70, steps: split(70, 45, 1).slice(0, 12).concat(14)}, what);
    });
});
