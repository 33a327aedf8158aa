import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import {reachOf} from '../../../src/acsr/index.js';
import {
  blockLocal,
  causal,
  documents,
  fromMask,
  full,
  globalTokens,
  prefix,
  slidingWindow,
  strided,
  type Pattern,
} from '../../../src/pattern/index.js';
import {KvCache} from '../../../src/index.js';
import type {KvAttendOptions, KvCacheOptions} from '../../../src/runtime/kv/kv_options.js';
import {relativePositionBias} from '../../../src/runtime/helpers/relative_bias.js';
import {CORPUS} from '../../corpus.js';
import {alibiBias, expectAttention, expectWithin, oracle, randomInputs, relativeBiasOf} from '../../oracle.js';
import {refusal} from '../../support/errors.js';
import {
  BIASED,
  CACHE,
  CAUSAL_PATTERNS,
  decode,
  expectCausalRun,
  SIZES,
  split,
  tensorsOf,
  tokens,
  wholeBiases,
  window,
} from '../../support/kv_cases.js';
import {play, playMany, type HistoryEvent} from '../../support/kv_histories.js';

describe('KvCache', () => {
  beforeAll(async () => {
    tf.env().set('IS_TEST', true);
    await tf.setBackend('cpu');
  });
  afterAll(() => tf.env().set('IS_TEST', false));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  describe('prefill and decode equal one causal run', () => {
    for (const [name, pattern] of CAUSAL_PATTERNS) {
      it(`for ${name}`, async () => {
        for (const [prompt, step] of [
          [0, 1],
          [75, 1],
          [1, 3],
          [41, 16],
          [7, 33],
        ] as const) {
          await expectCausalRun(pattern, {length: 75, steps: split(75, prompt, step)}, `${name}, ${prompt} and then ${step} each`);
        }
      });
    }

    it('for every pattern of the corpus that can be made causal', async () => {
      for (const {name, pattern} of CORPUS) {
        if (reachOf(pattern).fixedLength) continue;
        const sizes = {batch: 1, heads: 1, keyHeads: 1, headDim: 3, valueDim: 2};
        await expectCausalRun(pattern.and(causal()), {length: 110, steps: split(110, 37, 7), sizes}, name);
      }
    });

    it('for steps and rings of any size', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(...CAUSAL_PATTERNS),
          fc.array(fc.integer({min: 1, max: 40}), {minLength: 1, maxLength: 6}),
          fc.integer({min: 1, max: 20}),
          fc.nat(5),
          async ([name, pattern], steps, maxStep, rollback) => {
            const length = Math.max(
              51,
              steps.reduce((sum, step) => sum + step),
            );
            const sizes = {batch: 1, heads: 1, keyHeads: 1, headDim: 3, valueDim: 2};
            const all = [...steps, length - steps.reduce((sum, step) => sum + step)].filter((step) => step > 0);
            await expectCausalRun(pattern, {length, steps: all, cache: {maxStep, rollback}, sizes}, name);
          },
        ),
        {numRuns: 25},
      );
    });

    it('with query heads that share key heads, and every option of the scores', async () => {
      const [slopes, sinks] = [
        [0.5, 0.25, 0.125, 0.1, 0, 1],
        [1, -1, 0.5, 0, 2, -Infinity],
      ];
      const options = {scale: 0.4, softcap: 1.5, alibiSlopes: slopes, sinks: tf.tensor1d(sinks)};
      for (const pattern of [prefix(2).or(window(12)).and(causal()), causal()]) {
        await expectCausalRun(
          pattern,
          {
            length: 60,
            steps: split(60, 21, 3),
            sizes: {heads: 6, keyHeads: 2},
            options,
            oracle: {scale: 0.4, softcap: 1.5, bias: alibiBias(slopes, 0), sinks},
          },
          String(pattern),
        );
      }
    });

    for (const [name, biased] of Object.entries(BIASED)) {
      it(`with ${name}, in either layout`, async () => {
        const length = 50;
        const run = biased(wholeBiases(2, 4, length));
        for (const [pattern, steps, layout] of [
          [prefix(2).or(window(9)).and(causal()), split(length, 0, 1), undefined],
          [window(3, 2), split(length, 23, 4), 'blhd'],
          [causal(), split(length, 3, 21), undefined],
          [globalTokens([0, 17]).or(window(6)).and(causal()), split(length, 1, 5), 'blhd'],
        ] as const) {
          const sizes = {heads: 4, keyHeads: 2};
          await expectCausalRun(pattern, {length, steps, sizes, ...run, ...(layout && {layout})}, `${pattern} in ${steps}`);
        }
      });
    }

    it("with T5's bias, as one call has it", async () => {
      const [length, buckets] = [40, 8];
      const table = tf.randomUniform<tf.Rank.R2>([buckets, 4], -1, 1, 'float32', 3);
      const relative = relativePositionBias(table, {queryLength: length, keyLength: length, bidirectional: false, maxDistance: 20});
      const bias = relativeBiasOf(await relative.data(), 4, length, length);
      const pattern = prefix(1).or(window(20)).and(causal());
      const sizes = {heads: 4, keyHeads: 2};
      const whole = {options: {relativeBias: relative, scale: 1}, oracle: {bias, scale: 1}};
      await expectCausalRun(pattern, {length, steps: [17, 1, 1, 5, 1, 15], sizes, ...whole}, 'made once');
      const optionsOf = (first: number, count: number): KvAttendOptions => ({
        relativeBias: relativePositionBias(table, {
          ...{queryLength: count, keyLength: first + count, bidirectional: false, maxDistance: 20},
        }),
      });
      const each = {options: {scale: 1}, optionsOf, oracle: {bias, scale: 1}};
      await expectCausalRun(pattern, {length, steps: [17, 1, 1, 5, 1, 15], sizes, ...each}, 'made for each step');
    });

    it('of any width', async () => {
      const sizes = {heads: 2, keyHeads: 1, headDim: 300, valueDim: 512};
      await expectCausalRun(window(9), {length: 30, steps: split(30, 11, 2), sizes}, '300 and 512 features');
    });

    it('in fewer slots than the ring where maxLength is small', async () => {
      const pattern = prefix(4).or(window(31)).and(causal());
      for (const maxLength of [50, 20, 3]) {
        const cache = {maxLength, maxStep: 16};
        expect(new KvCache(pattern, {...CACHE, ...cache}).capacity).toBe(maxLength);
        await expectCausalRun(pattern, {length: maxLength, steps: split(maxLength, 0, 2), cache}, `maxLength ${maxLength}`);
      }
    });
  });

  describe('a history of appends and rollbacks', () => {
    it('equals attention over what is left, for sequences of different lengths', async () => {
      const {refused, rolledBack, poisoned, moved} = await playMany(150);
      // All ways were taken.
      expect(rolledBack).toBeGreaterThan(50);
      expect(refused).toBeGreaterThan(5);
      expect(poisoned).toBeGreaterThan(50);
      expect(moved).toBeGreaterThan(50);
    });

    it('can always forget the tokens that the option promises, once as many are new', async () => {
      const events: HistoryEvent[] = [{kind: 'append', counts: [9, 7], padding: 0}];
      for (let i = 0; i < 20; i++)
        events.push({kind: 'append', counts: [5, 5], padding: 0}, {kind: 'rollback', share: 4, which: 2});
      for (const pattern of [window(6), prefix(2).or(window(3)).and(causal()), window(0)]) {
        expect(await play(pattern, {rollback: 4, maxStep: 1}, events)).toEqual(
          jasmine.objectContaining({refused: 0, rolledBack: 20}),
        );
      }
    });

    it('has nothing of NaN and infinity that were taken back, also where the ring has wrapped', async () => {
      const events = Array.from({length: 24}, (): HistoryEvent[] => [
        {kind: 'append', counts: [1, 2], padding: 0},
        {kind: 'poison'},
      ]).flat();
      for (const [backend, pattern, scores] of [
        ['cpu', window(6), {}],
        ['cpu', prefix(2).or(window(3)).and(causal()), {relative: true, alibi: true}],
        ['cpu', window(2, 3), {bias: true, layout: 'blhd'}],
        ['wasm', window(6), {}],
      ] as const) {
        await tf.setBackend(backend);
        expect((await play(pattern, {rollback: 4, maxStep: 2}, events, scores)).poisoned).toBe(24);
      }
      await tf.setBackend('cpu');
    });

    it('may go back to the beginning, or into the sinks', () => {
      const pattern = prefix(3).or(window(2)).and(causal());
      const [query, key, value] = tensorsOf(
        randomInputs({batch: 1, heads: 1, queryLength: 40, keyLength: 40, headDim: 2, valueDim: 2}),
      );
      const cache = new KvCache(pattern, {keyHeads: 1, headDim: 2, maxStep: 1});
      const whole = decode(cache, [query!, key!, value!], [40]).dataSync();
      for (const left of [0, 2, 3]) {
        cache.rollback(40 - left);
        expect(cache.lengths).toEqual([left]);
        const again = decode(cache, tokens([query!, key!, value!], left, 40 - left), [10, 30 - left]).dataSync();
        expectWithin(again, Float64Array.from(whole.slice(left * 2)), 1e-5, `from ${left} on`);
      }
    });
  });

  describe('memory', () => {
    it('is the reach of the pattern, a step and what may be forgotten', () => {
      const capacity = (pattern: Pattern, options: Partial<KvCacheOptions> = {}): number =>
        new KvCache(pattern, {keyHeads: 2, headDim: 8, maxStep: 4, ...options}).capacity;
      expect(capacity(prefix(4).or(window(100)).and(causal()))).toBe(4 + 100 + 4);
      expect(capacity(window(100), {rollback: 7})).toBe(100 + 4 + 7);
      expect(capacity(window(10, 8))).toBe(80 + 4);
      expect(capacity(blockLocal({size: 16}).and(causal()))).toBe(15 + 4);
      expect(capacity(causal(), {maxLength: 99})).toBe(99);
      expect(capacity(window(100), {maxLength: 1000})).toBe(104);
      expect(capacity(window(100), {maxLength: 50})).toBe(50);
      expect(new KvCache(window(60), {batch: 3, keyHeads: 2, headDim: 8, valueDim: 5, maxStep: 4}).bytes).toBe(4 * 3 * 2 * 64 * 13);
    });

    it('does not grow, however many tokens come, and nothing leaks', () => {
      const before = tf.memory();
      const cache = new KvCache(prefix(2).or(window(6)).and(causal()), {...CACHE, maxStep: 2, rollback: 1});
      const held = tf.memory();
      expect(held.numBytes - before.numBytes).toBe(cache.bytes);
      const step = tensorsOf(randomInputs({...SIZES, queryLength: 5, keyLength: 5}));
      const withStep = tf.memory();
      for (let i = 0; i < 40; i++) {
        cache.attend(...step, {lengths: [5, i % 6], alibiSlopes: [1, 0.5], sinks: new Float32Array(2)}).dispose();
        if (i > 0) cache.rollback(1);
        expect(tf.memory().numTensors).toBe(withStep.numTensors);
        expect(tf.memory().numBytes).toBe(withStep.numBytes);
      }
      step.forEach((tensor) => tensor.dispose());
      cache.dispose();
      expect(cache.bytes).toBe(0);
      cache.dispose();
      expect(tf.memory().numTensors).toBe(before.numTensors);
    });

    it('outlives the tidy that it is used in', () => {
      let cache!: KvCache;
      tf.tidy(() => void (cache = new KvCache(window(3), {keyHeads: 1, headDim: 2})));
      const step = tensorsOf(randomInputs({batch: 1, heads: 1, queryLength: 1, keyLength: 1, headDim: 2, valueDim: 2}));
      for (let i = 0; i < 3; i++) tf.tidy(() => void cache.attend(...step));
      const output = cache.attend(...step);
      expectWithin(output.dataSync(), Float64Array.from(step[2].dataSync()), 1e-6);
      cache.dispose();
    });

    it('is kept by reset, which forgets all tokens', async () => {
      const inputs = randomInputs({...SIZES, queryLength: 30, keyLength: 30});
      const cache = new KvCache(window(7), CACHE);
      const {bytes} = cache;
      decode(cache, tensorsOf(randomInputs({...SIZES, queryLength: 23, keyLength: 23}, 2)), [20, 3]);
      cache.reset();
      expect(cache.lengths).toEqual([0, 0]);
      expect(cache.bytes).toBe(bytes);
      await expectAttention(decode(cache, tensorsOf(inputs), [9, 20, 1]), inputs, (q, k) => k <= q && q - k <= 7);
    });
  });

  describe('of several sequences', () => {
    const pattern = prefix(2).or(window(5)).and(causal());
    const whole = randomInputs({...SIZES, batch: 1, queryLength: 30, keyLength: 30});
    const all = (batch: number): ReturnType<typeof tensorsOf> =>
      tensorsOf(whole).map((tensor) => tf.tile(tensor, [batch, 1, 1, 1])) as unknown as ReturnType<typeof tensorsOf>;
    const expectRest = async (output: tf.Tensor4D, from: number): Promise<void> => {
      for (const one of tf.split(output, output.shape[0])) {
        const before = tf.zeros([1, SIZES.heads, from, SIZES.valueDim]);
        const expected = oracle(whole, (q, k) => pattern.attends(q, k, whole));
        expectWithin(await tf.concat([before, one as tf.Tensor4D], 2).data(), zeroed(expected, from), 1e-5);
      }
    };
    /** The first tokens of each head as zeros. */
    const zeroed = (data: ArrayLike<number>, from: number): Float64Array =>
      Float64Array.from(data, (x, i) => (Math.floor(i / SIZES.valueDim) % 30 < from ? 0 : x));

    it('a prompt is computed once for all forks of it, however many', async () => {
      const prompt = new KvCache(pattern, {...CACHE, batch: 1});
      prompt.attend(...tokens(all(1), 0, 17));
      const answers = [prompt.fork([0, 0, 0]), prompt.fork()];
      prompt.dispose();
      for (const answer of answers) {
        const batch = answer.lengths.length;
        expect(answer.lengths).toEqual(new Array<number>(batch).fill(17));
        await expectRest(
          tf.concat([answer.attend(...tokens(all(batch), 17, 4)), answer.attend(...tokens(all(batch), 21, 9))], 2),
          17,
        );
        answer.dispose();
      }
    });

    it('one is reset while the others go on', async () => {
      const cache = new KvCache(pattern, {...CACHE, batch: 3});
      cache.attend(...tokens(all(3), 0, 20));
      cache.reset(1);
      cache.reset([2]);
      expect(cache.lengths).toEqual([20, 0, 0]);
      cache.attend(...tokens(all(3), 0, 20), {lengths: [0, 20, 20]});
      await expectRest(cache.attend(...tokens(all(3), 20, 10)), 20);
      cache.dispose();
    });

    it('typed arrays of indices are taken', () => {
      const cache = new KvCache(pattern, CACHE);
      cache.attend(...tokens(all(2), 0, 3), {lengths: [1, 3]});
      cache.reorder(Int32Array.of(1, 1));
      expect(cache.lengths).toEqual([3, 3]);
      cache.dispose();
    });

    it('nothing leaks', () => {
      const step = tokens(all(2), 0, 3);
      const {numTensors} = tf.memory();
      const cache = new KvCache(pattern, CACHE);
      for (let i = 0; i < 3; i++) {
        cache.attend(...step).dispose();
        cache.reorder([1, 0]);
        const fork = cache.fork([1]);
        fork.dispose();
        const other = cache.fork();
        other.attend(...step).dispose();
        other.dispose();
      }
      cache.dispose();
      expect(tf.memory().numTensors).toBe(numTensors);
    });
  });

  it('takes a step without tokens', () => {
    const cache = new KvCache(window(3), CACHE);
    const empty = tensorsOf(randomInputs({...SIZES, queryLength: 0, keyLength: 0}));
    expect(cache.attend(...empty).shape).toEqual([2, 2, 0, 4]);
    const [query, key, value] = empty.map((tensor) => tf.reshape(tensor, [2, 0, 2, tensor.shape[3]]));
    expect(cache.attend(query!, key!, value!, {layout: 'blhd'}).shape).toEqual([2, 0, 2, 4]);
    expect(cache.lengths).toEqual([0, 0]);
  });

  describe('refuses', () => {
    const make = (pattern: unknown, options: unknown = {keyHeads: 1, headDim: 2}): string =>
      refusal(() => new KvCache(pattern as Pattern, options as KvCacheOptions)).message;

    it('patterns that see the future, naming the cure', () => {
      expect(make(full())).toMatch(/full\(\), which attends any number of tokens ahead.*Add \.and\(causal\(\)\)/);
      expect(make(slidingWindow({left: 3, right: 2}))).toMatch(/up to 2 tokens ahead/);
      expect(make(prefix(5).or(causal()))).toMatch(/up to 4 tokens ahead/);
    });

    it('patterns that are written for certain lengths', () => {
      for (const pattern of [documents([4, 4]).and(causal()), fromMask([1], {queryLength: 1, keyLength: 1})])
        expect(make(pattern)).toMatch(/written for certain lengths.*Give each document a sequence/);
    });

    it('patterns without end that come without maxLength', () => {
      expect(make(causal())).toMatch(/maxLength: found nothing, beside causal\(\), which reaches back without end/);
      expect(make(strided({stride: 4}).and(causal()))).toMatch(/maxLength/);
    });

    it('what is no pattern, and options that are wrong', () => {
      expect(make('causal()')).toMatch(/pattern: found the text 'causal\(\)', expected a Pattern/);
      const wrong: [unknown, RegExp][] = [
        [null, /KvCache options: found null/],
        [{headDim: 2}, /keyHeads: found undefined.*no default/],
        [{keyHeads: 1}, /headDim: found undefined/],
        [{keyHeads: 1, headDim: 0}, /headDim: found 0, expected a whole number from 1 to/],
        [{keyHeads: 1, headDim: 257, precision: 'float16'}, /precision: found 'float16' beside 257 features.*at most 256/],
        [{keyHeads: 1, headDim: 2, valueDim: 0}, /valueDim: found 0/],
        [{keyHeads: 1.5, headDim: 2}, /keyHeads: found 1.5/],
        [{keyHeads: 1, headDim: 2, batch: 0}, /batch: found 0/],
        [{keyHeads: 1, headDim: 2, rollback: -1}, /rollback: found -1/],
        [{keyHeads: 1, headDim: 2, maxStep: 0}, /maxStep: found 0/],
        [{keyHeads: 1, headDim: 2, maxLength: Infinity}, /maxLength: found Infinity/],
        [{keyHeads: 1, headDim: 2, maxlength: 5}, /'maxlength'.*Did you mean 'maxLength'/],
        [{heads: 1, headDim: 2}, /'heads'.*Did you mean 'keyHeads'/],
        [{numHeads: 1, headDim: 2}, /'numHeads'.*Did you mean 'keyHeads'/],
        [{keyHeads: 1, headDim: 2, batchSize: 2}, /'batchSize'.*Did you mean 'batch'/],
        [{keyHeads: 1, headDim: 2, dtype: 'float16'}, /'dtype'.*Did you mean 'precision'/],
        [{keyHeads: 1, headDim: 2, precision: 'float17'}, /float17.*Did you mean 'float16'/],
        [{keyHeads: 1, headDim: 2, precision: 'float16'}, /float16.*backend 'cpu'.*WebGPU backend/],
        [{keyHeads: 2 ** 20, headDim: 256, batch: 100}, /slots for each head of 100 sequences, expected fewer than 2³¹ numbers/],
      ];
      for (const [options, message] of wrong) expect(make(window(3), options)).toMatch(message);
      expect(make(window(2 ** 40))).toMatch(/fewer than 2³¹ numbers.*smaller maxLength/);
    });

    it('bad steps, and stays as it was', async () => {
      const pattern = prefix(2).or(window(4)).and(causal());
      const inputs = randomInputs({...SIZES, queryLength: 12, keyLength: 12});
      const tensors = tensorsOf(inputs);
      const cache = new KvCache(pattern, {...CACHE, maxStep: 3});
      const first = cache.attend(...tokens(tensors, 0, 7));
      const [q, k, v] = tokens(tensors, 7, 5);
      const dead = tf.zeros<tf.Rank.R4>([2, 2, 5, 6]);
      dead.dispose();
      const wrong: [() => unknown, RegExp][] = [
        [() => cache.attend(dead, k!, v!), /query: found a disposed tensor/],
        [() => cache.attend(null as never, k!, v!), /query: found null/],
        [() => cache.attend(tf.cast(q!, 'int32'), k!, v!), /query: found dtype int32/],
        [() => cache.attend(tf.zeros([2, 5, 6]), k!, v!), /query: found shape \[2, 5, 6\]/],
        [() => cache.attend(tf.zeros([2, 3, 5, 6]), k!, v!), /heads of query: found 3, expected a multiple of 2/],
        [() => cache.attend(tf.zeros([2, 0, 5, 6]), k!, v!), /heads of query: found 0/],
        [() => cache.attend(tf.zeros([1, 2, 5, 6]), k!, v!), /query: found shape \[1, 2, 5, 6\]/],
        [() => cache.attend(q!, v!, k!), /key: found shape \[2, 2, 5, 4\], expected .* = \[2, 2, 5, 6\]/],
        [() => cache.attend(q!, tf.zeros([2, 2, 4, 6]), v!), /key: found shape \[2, 2, 4, 6\]/],
        [() => cache.attend(q!, k!, k!), /value: found shape \[2, 2, 5, 6\]/],
        [() => cache.attend(q!, k!, v!, {scale: NaN}), /scale: found NaN/],
        [() => cache.attend(q!, k!, v!, {softcap: 0}), /softcap: found 0/],
        [() => cache.attend(q!, k!, v!, {alibiSlopes: [1]}), /alibiSlopes: found shape \[1\], expected \[heads\] = \[2\]/],
        [() => cache.attend(q!, k!, v!, {sinks: tf.zeros([2, 1])}), /sinks: found shape \[2, 1\]/],
        [() => cache.attend(q!, k!, v!, {lengths: [5]}), /lengths: found 1 numbers, expected an array of 2/],
        [() => cache.attend(q!, k!, v!, {lengths: [5, 6]}), /lengths: found 6, expected a whole number from 0 to 5/],
        [() => cache.attend(q!, k!, v!, {lengths: 5 as never}), /lengths: found 5/],
        [() => cache.attend(q!, k!, v!, {segmentIds: 1} as never), /'segmentIds'.*unknown option.*Remove it/],
        [() => cache.attend(q!, k!, v!, {keyLengths: [1, 1]} as never), /'keyLengths'.*Did you mean 'lengths'/],
        [() => cache.attend(q!, k!, v!, {layout: 'bld'} as never), /layout: found the text 'bld'/],
        [() => cache.attend(q!, k!, v!, {layout: 'blhd'}), /query: found shape \[2, 2, 5, 6\]|multiple of 2/],
        [() => cache.attend(q!, k!, v!, {bias: 1 as never}), /bias: found 1/],
        [
          () => cache.attend(q!, k!, v!, {bias: tf.zeros([5, 11])}),
          /bias: found shape \[5, 11\], expected one that broadcasts to \[batch, heads, tokens, keyLength\] = \[2, 2, 5, 12\], or has more/,
        ],
        [() => cache.attend(q!, k!, v!, {bias: tf.zeros([4, 12])}), /bias: found shape \[4, 12\]/],
        [() => cache.attend(q!, k!, v!, {bias: tf.zeros([1, 1, 1, 1, 12])}), /bias: found shape/],
        [
          () => cache.attend(q!, k!, v!, {relativeBias: tf.zeros([2, 22])}),
          /relativeBias: found shape \[2, 22\], expected .* a length of at least 12, .* = \[2, 16\]/,
        ],
        [() => cache.attend(q!, k!, v!, {relativeBias: tf.zeros([3, 23])}), /relativeBias: found shape \[3, 23\]/],
        [() => cache.attend(q!, k!, v!, {relativeBias: tf.zeros([23])}), /relativeBias: found shape \[23\]/],
        [() => cache.reorder([0]), /reorder: found 1 numbers, expected an array of 2/],
        [() => cache.reorder([0, 2]), /reorder: found 2, expected a whole number from 0 to 1/],
        [() => cache.reorder(tf.tensor1d([0, 1], 'int32') as never), /reorder: found a tensor.*await indices\.data/],
        [() => cache.fork([]), /fork: found 0 numbers, expected an array of at least one/],
        [() => cache.fork([0, 1.5]), /fork: found 1.5/],
        [() => cache.reset(2), /reset: found 2, expected a whole number from 0 to 1/],
        [() => cache.attend(q!, k!, v!, null as never), /options: found null/],
        [() => cache.rollback(8), /rollback: found 8, expected a whole number from 0 to 7, the tokens of sequence 0/],
        [() => cache.rollback([0, -1]), /rollback: found -1/],
        [() => cache.rollback([1]), /rollback: found 1 numbers/],
        [() => cache.rollback(0.5), /rollback: found 0.5/],
      ];
      for (const [act, message] of wrong) {
        expect(refusal(act).message).toMatch(message);
        expect(cache.lengths).toEqual([7, 7]);
      }
      const output = tf.concat([first, cache.attend(q!, k!, v!)], 2);
      await expectAttention(output, inputs, (query, key) => pattern.attends(query, key, inputs));
    });

    it('a rollback past the window', () => {
      const cache = new KvCache(prefix(1).or(window(4)).and(causal()), {keyHeads: 1, headDim: 2, maxStep: 2, rollback: 3});
      const inputs = tensorsOf(randomInputs({batch: 1, heads: 1, queryLength: 30, keyLength: 30, headDim: 2, valueDim: 2}));
      cache.attend(...inputs);
      const {message} = refusal(() => cache.rollback(6));
      expect(message).toMatch(
        /rollback: found 6 tokens of sequence 0, past the window, expected at most 5, for tokens that .*prefix/,
      );
      expect(message).toMatch(/Make the cache with the option rollback/);
      expect(cache.lengths).toEqual([30]);
      cache.rollback(5);
      expect(cache.lengths).toEqual([25]);
      expect(refusal(() => cache.rollback(1)).message).toMatch(/at most 0/);

      // A token more gives nothing back of what the 30 have overwritten.
      cache.attend(...tokens(inputs, 25, 1));
      expect(refusal(() => cache.rollback(2)).message).toMatch(/at most 1/);
      cache.rollback(1);

      // From the beginning on all is as in a new cache.
      cache.rollback(25);
      cache.attend(...tokens(inputs, 0, 8));
      cache.rollback(3);
      expect(cache.lengths).toEqual([5]);
    });

    it('more tokens than maxLength, saying what the pattern allows', () => {
      const inputs = tensorsOf(randomInputs({batch: 1, heads: 1, queryLength: 8, keyLength: 8, headDim: 2, valueDim: 2}));
      const cache = new KvCache(causal(), {keyHeads: 1, headDim: 2, maxLength: 10});
      cache.attend(...inputs);
      expect(refusal(() => cache.attend(...inputs)).message).toMatch(
        /tokens of sequence 0: found 8 held and 8 new, expected at most 10 together.*causal\(\) reaches back without end.*slidingWindow/,
      );
      expect(cache.lengths).toEqual([8]);
      cache.attend(...inputs, {lengths: [2]});
      expect(cache.lengths).toEqual([10]);
      const small = new KvCache(window(20), {keyHeads: 1, headDim: 2, maxLength: 7});
      expect(refusal(() => small.attend(...inputs)).message).toMatch(
        /0 held and 8 new, expected at most 7 .*takes a ring that never fills up/,
      );
    });

    it('everything once it is disposed', () => {
      const cache = new KvCache(window(3), CACHE);
      cache.dispose();
      const step = tensorsOf(randomInputs({...SIZES, queryLength: 1, keyLength: 1}));
      for (const act of [
        () => cache.attend(...step),
        () => cache.rollback(0),
        () => cache.reset(),
        () => cache.reorder([0, 1]),
        () => cache.fork(),
      ])
        expect(refusal(act).message).toMatch(/KvCache: found a disposed cache/);
    });
  });
});
