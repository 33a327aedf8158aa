import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {parsePattern} from '../../../src/index.js';
import {CORE_DEVICE, type Device} from '../../../src/pure.js';
import {expectGradient, gradientTolerance, oracleGradients, sumsOfBroadcast} from '../../oracle_gradients.js';
import {host} from '../../support/attend.js';
import {spell} from '../../support/dense_cases.js';
import {
  drawGiven,
  expectedGradients,
  expectSame,
  gradientPlanInParts,
  gradientsInParts,
  gradientsOf,
} from '../../support/gradient_cases.js';
import {BASE, problemOfCase, type OptionCase, type Tensors} from '../../support/option_cases.js';
import {withWholeLaunches} from '../../support/whole_launches.js';

/** Runs on a record of the device that says how much it binds, so that small tensors meet the limits of large ones. */
function binding<T>(maxBindingBytes: number, run: () => T): T {
  const {limits} = host();
  host().limits = {...limits, maxBindingBytes};
  try {
    return run();
  } finally {
    host().limits = limits;
  }
}

const read = async (tensors: Tensors): Promise<Record<string, Float32Array>> =>
  Object.fromEntries(await Promise.all(Object.entries(tensors).map(async ([name, tensor]) => [name, await tensor.data()])));

/** Dispatches of a backward pass by name, from its first to its last. */
function dispatchesOf(run: () => Tensors): {found: Tensors; names: string[]} {
  const names: string[] = [];
  const there = host();
  const {encode} = there;
  there.encode = (dispatches, touched) => {
    names.push(...dispatches.map(({name}) => name.slice('SparseAttention.'.length)));
    encode.call(there, dispatches, touched);
  };
  try {
    return {found: run(), names};
  } finally {
    there.encode = encode;
  }
}

const count = (names: readonly string[], name: string): number => names.filter((each) => each === name).length;

describe('on WebGPU, a backward pass whose scratch exceeds a binding', () => {
  withWholeLaunches();
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  // 45 rows of 16 bytes for each head; in records 3 tiles of 32 keys, 8 vec4 a key.
  const stats = 45 * 16;
  const records = 3 * 32 * 8 * 16;
  const one = stats + records;
  const bias = [false, false, false, true];
  const CASES: readonly (readonly [
    string,
    Partial<OptionCase>,
    sizes: readonly (readonly [bytes: number, shares: number, sums: number])[],
  ])[] = [
    // Batch 2, 4 heads: two sequences, one, three heads (so two and two), one.
    [
      'without records',
      {keyHeads: 4, group: 1},
      [
        [8 * stats, 1, 0],
        [5 * stats, 2, 0],
        [3 * stats, 4, 0],
        [stats, 8, 0],
      ],
    ],
    // Two heads share a head of keys: shares of two sequences, of one, of one group, of one head, of one head and one tile of keys.
    [
      'of grouped heads',
      {},
      [
        [8 * one, 1, 1],
        [4 * one, 2, 2],
        [3 * one, 4, 4],
        [one, 8, 8],
        [stats + records / 3, 8, 24],
      ],
    ],
    // dKeyScores beside: in records of one vec4 a key.
    ['with a bias', {keyHeads: 4, group: 1, bias, implementation: 'dense'}, [[2 * one, 4, 4]]],
    [
      'with options, in another layout',
      {...{lengths: true, alibi: true, dropout: 0.3, layout: 'blhd', aux: true}, ...{headDim: 6, valueDim: 5}},
      [[stats + 3 * 32 * 4 * 16, 8, 8]],
    ],
  ];
  for (const [what, changes, sizes] of CASES)
    it(`goes share by share: ${what}`, async () => {
      const given: OptionCase = {...BASE, ...changes};
      const spelled = spell(given);
      const back = drawGiven(given, spelled);
      const expected = await expectedGradients(given, spelled, back);
      for (const [bytes, shares, sums] of sizes) {
        const run = (): Tensors => binding(bytes, () => gradientsOf(given, spelled, back));
        const {found, names} = dispatchesOf(run);
        const says = `${what}, ${bytes} bytes`;
        expect(count(names, 'queryGradients')).withContext(says).toBe(shares);
        expect(count(names, 'sumKeyGradients') - count(names, 'keyScoreGradients'))
          .withContext(says)
          .toBe(sums);
        await expectSame(found, spelled, expected, says);
        expect(await read(run()))
          .withContext(says)
          .toEqual(await read(found));
      }
    });

  const strides = 'globalTokens([3, 390]) or strided(stride: 2) and globalTokens(40)';
  const PARTS: readonly (readonly [string, Partial<OptionCase>])[] = [
    ['long keys', {group: 1, pattern: 'causal()', queryLength: 240, keyLength: 240}],
    ['two passes', {group: 1, keyHeads: 2, pattern: strides, queryLength: 400, keyLength: 400}],
    ['two passes of grouped heads', {pattern: strides, queryLength: 400, keyLength: 400}],
  ];
  for (const [what, changes] of PARTS)
    it(`sums parts share by share and wave by wave: ${what}`, async () => {
      const given: OptionCase = {...BASE, batch: 1, keyHeads: 1, queryOffset: 0, ...changes};
      const spelled = spell(given);
      const back = drawGiven(given, spelled);
      const pattern = parsePattern(given.pattern!);
      const {inputs, attends, says, plain} = spelled;
      const expected = oracleGradients(inputs, attends, says, back.dOutput);
      const limits = await gradientTolerance(inputs, attends, says, back.dOutput, undefined, expected);
      const whole = gradientPlanInParts(pattern, problemOfCase(given), given.group > 1 ? 'records' : 'gradients');
      // Room for one head, and three tiles of keys of it.
      const device: Device = {...CORE_DEVICE, maxBindingBytes: 16 * (given.queryLength + 3 * 32 * 8)};
      const {keys} = gradientPlanInParts(pattern, problemOfCase(given), whole.results, device);
      expect(keys.passes.length).toBeGreaterThan(whole.keys.passes.length);
      expect(keys.slots).toBeLessThanOrEqual(3);
      const {scores, keyScores, ...found} = gradientsInParts(given, spelled, pattern, back, device);
      for (const name of ['query', 'key', 'value'] as const)
        await expectGradient(plain(found[name]!), expected[name], limits[name], `${name}, ${what}`);
      await expectGradient(scores!, expected.scores, limits.scores, `scores, ${what}`);
      const {heads, queryLength, keyLength} = inputs;
      const overRows = (all: ArrayLike<number>): Float64Array =>
        sumsOfBroadcast(all, [1, heads, queryLength, keyLength], [1, heads, 1, keyLength]);
      await expectGradient(keyScores!, overRows(expected.scores), limits.sums(overRows), `scores of keys, ${what}`);
    });
});
