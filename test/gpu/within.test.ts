import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {
  causal,
  full,
  globalTokens,
  perBatch,
  perHead,
  slidingWindow,
  sparseAttention,
  sparseIOHandler,
  strided,
  type Pattern,
} from '../../src/index.js';
import {TILES} from '../../src/plan/configurations.js';
import {compress} from '../../src/acsr/index.js';
import {makePlan, REGULAR, type Device, type Kinds, type Problem} from '../../src/plan/index.js';
import {compile, compileMaskTensor, complete, oneLine, PLAIN, type Compiled, type Precision} from '../../src/pure.js';
import {attentionWithin} from '../../src/runtime/index.js';
import {expectWithin, mulberry32, type Attends} from '../oracle.js';
import {compileInParts, host} from '../support/attend.js';
import {emulated} from '../support/emulated_matrices.js';
import {expectReplays} from '../support/captures.js';
import {handMade} from '../support/hand_made.js';
import {featuredDevice, MATRIX_16, problemFor, retiled, SOFTWARE_DEVICE} from '../support/plans.js';
import {projectedInputs, selfAttention} from '../support/models/projections.js';
import {onSecondBackend} from '../support/second_backend.js';
import {bitsOf, expectSameBits, givenWithin, joinedPlaces, type More, type Places} from '../support/within_cases.js';

const SHAPE = {queryLength: 70, keyLength: 70, queryOffset: 0};
const SIZES = {batch: 3, heads: 4, keyHeads: 2, headDim: 8};
const GROUPED = problemFor(SHAPE, SIZES);

/** Some 60 of 100 pairs, others in each head and sequence. */
const random: Attends = (q, k, b, h) => mulberry32(((b * 7 + h) * 97 + q) * 150 + k + 1)() < 0.6;

const byHand = (kinds: Kinds, parts: boolean, problem: Problem = GROUPED): Compiled => {
  const of = (q: number, k: number, b: number, h: number): boolean =>
    random(q, k, kinds.batch === 'grid' ? 0 : b, kinds.heads === 'grid' ? 0 : h);
  return complete(handMade(problem, kinds, of, parts), null);
};

const LISTS = {...REGULAR, rows: 'list', keys: 'list'} as const;

const ofPattern = (
  pattern: Pattern,
  implementation: 'fused' | 'dense',
  precision: Precision = 'float32',
  device?: Device,
): Compiled => compile(pattern, GROUPED, device ?? host().limits, {implementation, precision});

const twoPasses = slidingWindow({left: 20}).or(strided({stride: 3}));

/** The kernels that a device has which offers nothing beyond core WebGPU. */
const ENGINES: Readonly<Record<string, () => Compiled>> = {
  'intervals, whole tiles': () => ofPattern(causal(), 'fused'),
  'two passes, of which the second goes on from the output': () => ofPattern(twoPasses, 'fused'),
  'every tile, with bits': () => ofPattern(twoPasses, 'dense'),
  'halves of core WebGPU': () => ofPattern(causal(), 'fused', 'float16', SOFTWARE_DEVICE),
  'patterns for each head and sequence': () =>
    ofPattern(
      perBatch([causal(), perHead([full(), causal(), slidingWindow({left: 3}), slidingWindow({left: 9, right: 2})]), full()]),
      'fused',
    ),
  'rows in parts, and their merge': () =>
    compileInParts(full(), problemFor({queryLength: 40, keyLength: 1300, queryOffset: 0}, {...SIZES, batch: 2})),
  'lists of rows and keys, bits': () => byHand({...LISTS, mask: 'bits'}, false),
  'rows one by one': () => byHand({...LISTS, mask: 'own'}, false),
  'rows one by one, in parts, heads and sequences by item': () =>
    byHand({...LISTS, mask: 'own', heads: 'item', batch: 'item'}, true),
  'rows in fours': () => byHand({...LISTS, mask: 'fours'}, false),
  'queries in workgroup memory': () => {
    const acsr = compress(causal(), GROUPED);
    const plan = makePlan(acsr, GROUPED, SOFTWARE_DEVICE, 'fused');
    return complete(retiled(plan, {...plan.tile, queries: TILES.staged.queries}), oneLine(acsr));
  },
};

describe('on WebGPU, heads within larger tensors', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const [says, make] of Object.entries(ENGINES))
    it(`are read bit for bit as tensors of their own: ${says}`, async () => {
      const compiled = make();
      const {heads, keyHeads} = compiled.plan.problem;
      await expectSameBits(compiled, joinedPlaces({heads, keyHeads}), {}, says);
    });

  it('are read beside a mask tensor and a bias', async () => {
    const {batch, heads, queryLength, keyLength} = GROUPED;
    const draw = mulberry32(5);
    const mask = tf.tidy(() => tf.less(tf.randomUniform([batch, 1, queryLength, keyLength], 0, 1, 'float32', 3), 0.7));
    const compiled = compileMaskTensor(GROUPED, host().limits, [batch, 1, queryLength, keyLength]);
    await expectSameBits(compiled, joinedPlaces(GROUPED), {mask}, 'a mask tensor');
    const shape: [number, number, number, number] = [batch, heads, 1, keyLength];
    const bias = tf.tensor4d(
      Float32Array.from({length: batch * heads * keyLength}, () => 3 * draw()),
      shape,
    );
    const more: More = {bias};
    const biased = compile(causal(), GROUPED, host().limits, {implementation: 'fused', features: {...PLAIN, bias: true}});
    await expectSameBits(biased, joinedPlaces(GROUPED), more, 'a bias');
  });

  // A tensor of width 5 has no rows of whole vec4.
  for (const headDim of [1, 5, 6, 20])
    it(`are read where heads have ${headDim} features`, async () => {
      for (const precision of ['float32', 'float16'] as const) {
        const problem = problemFor({queryLength: 33, keyLength: 41, queryOffset: 8}, {...SIZES, headDim});
        const compiled = compile(causal(), problem, host().limits, {precision});
        await expectSameBits(compiled, joinedPlaces(problem), {}, `${headDim}, ${precision}`);
      }
    });

  it('are read wherever they lie, keys of another tensor than queries, values before keys', async () => {
    const compiled = [ofPattern(causal(), 'fused'), ofPattern(causal(), 'fused', 'float16')];
    const [heads, keyHeads] = [GROUPED.heads, GROUPED.keyHeads];
    await fc.assert(
      fc.asyncProperty(
        fc.record({before: fc.nat(5), behind: fc.nat(5), gap: fc.nat(4), lead: fc.nat(4), tail: fc.nat(4)}),
        fc.boolean(),
        fc.constantFrom(...compiled),
        async ({before, behind, gap, lead, tail}, valuesFirst, plan) => {
          const [one, other] = [lead, lead + keyHeads + gap];
          const places: Places = {
            queryRows: before + heads + behind,
            queryFirst: before,
            keyRows: lead + keyHeads + gap + keyHeads + tail,
            keyFirst: valuesFirst ? other : one,
            valueFirst: valuesFirst ? one : other,
          };
          tf.engine().startScope();
          await expectSameBits(plan, places, {}, JSON.stringify(places));
          tf.engine().endScope();
        },
      ),
      {numRuns: 25, seed: 20261130},
    );
  });

  it('are attended over by one call, and cut out under a gradient and past the features of our kernels', async () => {
    const pattern = slidingWindow({left: 9}).or(globalTokens(2));
    const bias = tf.randomNormal([3, 1, 1, 70], 0, 1, 'float32', 4);
    for (const precision of ['float32', 'float16'] as const) {
      const {apart, within} = givenWithin(GROUPED, joinedPlaces(GROUPED));
      const options = {bias, precision, queryOffset: 0};
      const expected = sparseAttention(apart.query, apart.key, apart.value, pattern, {...options, layout: 'blhd'});
      const found = attentionWithin(within, pattern, options);
      expect(found.shape).toEqual([3, 70, 4, 8]);
      expect(bitsOf((await found.data()) as Float32Array)).toEqual(bitsOf((await expected.data()) as Float32Array));
    }
    const wide = problemFor({queryLength: 9, keyLength: 9, queryOffset: 0}, {heads: 2, headDim: 300});
    const {apart, within} = givenWithin(wide, joinedPlaces(wide));
    const expected = sparseAttention(apart.query, apart.key, apart.value, full(), {layout: 'blhd'});
    const found = attentionWithin(within, full(), {});
    expect(await found.data()).toEqual(await expected.data());
  });

  it('have gradients, of zero where nothing is read', async () => {
    const whole = tf.randomNormal<tf.Rank.R3>([2, 9, 4 * 2 * 6], 0, 1, 'float32', 8);
    const cut = (x: tf.Tensor, first: number): tf.Tensor4D => tf.reshape(tf.slice(x, [0, 0, first], [-1, -1, 12]), [2, 9, 2, 6]);
    const loss = (x: tf.Tensor): tf.Scalar => {
      const [query, key, value] = [0, 24, 36].map((first) => ({whole: x as tf.Tensor3D, first, heads: 2}));
      return tf.sum(tf.square(attentionWithin({query: query!, key: key!, value: value!, headDim: 6}, causal(), {})));
    };
    const apart = (x: tf.Tensor): tf.Scalar =>
      tf.sum(tf.square(sparseAttention(cut(x, 0), cut(x, 24), cut(x, 36), causal(), {layout: 'blhd'})));
    const [found, expected] = [tf.grad(loss)(whole), tf.grad(apart)(whole)];
    expect(await found.data()).toEqual(await expected.data());
    expect((await tf.slice(found, [0, 0, 12], [-1, -1, 12]).data()).every((value) => value === 0)).toBe(true);
  });

  it('are read by kernels of tensor cores', async () => {
    const problem = problemFor({queryLength: 150, keyLength: 200, queryOffset: 50}, {batch: 2, heads: 2, keyHeads: 1, headDim: 16});
    const compiled = compile(causal(), problem, featuredDevice(MATRIX_16), {precision: 'float16', implementation: 'fused'});
    const names = compiled.launches.map(({program}) => program.name.replace('SparseAttention.', ''));
    expect(names).toEqual(jasmine.arrayContaining(['convert', 'attendMatrix', 'repair']));
    await expectSameBits({...compiled, launches: emulated(compiled.launches)}, joinedPlaces(problem), {}, 'tensor cores');
  }, 600_000);
});

describe('on WebGPU, a graph with joined projections', () => {
  const load = (fold: boolean) => loadGraphModelSync(sparseIOHandler(selfAttention(), {pattern: full(), fold}));

  it('copies no part of a product, and computes what it did', async () => {
    const [joined, apart] = [load(true), load(false)];
    for (const [batch, length] of [
      [1, 9],
      [3, 40],
    ] as const) {
      const given = projectedInputs(batch, length);
      const {kernelNames, result} = await tf.profile(() => joined.execute(given) as tf.Tensor);
      expect(kernelNames).not.toContain('Slice');
      expect(kernelNames.filter((name) => name === '_FusedMatMul').length).toBe(1);
      const [found, expected] = [await (result as tf.Tensor).data(), await (apart.execute(given) as tf.Tensor).data()];
      const largest = Math.max(...Array.from(expected, Math.abs));
      expectWithin(found, expected, 2e-6 * largest);
    }
    joined.dispose();
    apart.dispose();
  });

  it('may be captured', async () => {
    const model = load(true);
    await expectReplays(
      (inputs: tf.NamedTensorMap) => model.execute(inputs),
      (seed) => {
        const {x, y} = projectedInputs(2, 11);
        return {x: tf.mul(x!, seed + 1), y: y!};
      },
    );
    model.dispose();
  });
});

describe('on WebGPU with subgroups and halves, heads within larger tensors', () => {
  onSecondBackend();

  for (const precision of ['float32', 'float16'] as const)
    it(`are read bit for bit as tensors of their own: ${precision}`, async () => {
      for (const implementation of ['fused', 'dense'] as const)
        await expectSameBits(
          ofPattern(twoPasses, implementation, precision),
          joinedPlaces(GROUPED),
          {},
          `${precision} ${implementation}`,
        );
      const device = {...host().limits, software: true};
      await expectSameBits(ofPattern(causal(), 'fused', precision, device), joinedPlaces(GROUPED), {}, `${precision}, small tiles`);
    });
});
