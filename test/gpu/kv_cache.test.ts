import '@tensorflow/tfjs'; // registers gradients
import * as tf from '@tensorflow/tfjs-core';
import {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {blockLocal, causal, globalTokens, prefix, strided} from '../../src/index.js';
import {KvCache} from '../../src/runtime/kv/kv_cache.js';
import {alibiBias, expectAttention, mulberry32, randomInputs, type AttentionInputs} from '../oracle.js';
import {backend, host} from '../support/attend.js';
import {refusal} from '../support/errors.js';
import {takeUncapturedErrors} from '../support/gpu_setup.js';
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
} from '../support/kv_cases.js';
import {inParts, madeBy, poisoned} from '../support/kv_device.js';
import {ASKED, filledCache, UNTOUCHED} from '../support/kv_gradient_cases.js';
import {play, playMany, type HistoryEvent} from '../support/kv_histories.js';

const SINKS = prefix(4).or(window(15)).and(causal());

/** Sequence `b` alone: the queries of `count` tokens after the first, and all keys up to them. */
function sequenceOf(inputs: AttentionInputs, b: number, first: number, count: number): AttentionInputs {
  const {heads, keyHeads = heads, headDim, valueDim, queryLength: length} = inputs;
  const cut = (data: Float32Array, lines: number, dim: number, from: number, tokens: number): Float32Array => {
    const part = new Float32Array(lines * tokens * dim);
    for (let h = 0; h < lines; h++) {
      const at = ((b * lines + h) * length + from) * dim;
      part.set(data.subarray(at, at + tokens * dim), h * tokens * dim);
    }
    return part;
  };
  const all = first + count;
  return {
    ...{batch: 1, heads, keyHeads, headDim, valueDim, queryLength: count, keyLength: all},
    query: cut(inputs.query, heads, headDim, first, count),
    key: cut(inputs.key, keyHeads, headDim, 0, all),
    value: cut(inputs.value, keyHeads, valueDim, 0, all),
  };
}

/** The labels of what is bound while `run` runs. */
async function dispatched(run: () => void): Promise<string[]> {
  const {device} = backend();
  const {createBindGroup} = device;
  const labels: string[] = [];
  device.createBindGroup = (descriptor) => {
    labels.push(descriptor.label ?? '');
    return createBindGroup.call(device, descriptor);
  };
  try {
    run();
    await backend().queue.onSubmittedWorkDone();
  } finally {
    delete (device as Partial<GPUDevice>).createBindGroup;
  }
  return labels;
}

describe('KvCache on WebGPU', () => {
  beforeAll(() => tf.env().set('IS_TEST', true)); // the engine then fails kernels that leave tensors behind
  afterAll(() => tf.env().set('IS_TEST', false));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  describe('prefill and decode equal one causal run', () => {
    for (const [name, pattern] of CAUSAL_PATTERNS) {
      it(`for ${name}`, async () => {
        await poisoned(async () => {
          for (const [prompt, step] of [
            [0, 1],
            [1, 3],
            [41, 16],
          ] as const) {
            await expectCausalRun(pattern, {length: 75, steps: split(75, prompt, step)}, `${prompt} and then ${step} each`);
          }
        });
      });
    }

    it('from float16 caches, of half the memory', async () => {
      const sizes = {headDim: 16, valueDim: 16};
      const bytes = (['float32', 'float16'] as const).map(
        (precision) => new KvCache(window(30), {keyHeads: 2, headDim: 64, precision}).bytes,
      );
      expect(bytes[1]).toBe(bytes[0]! / 2);
      await poisoned(async () => {
        for (const pattern of [SINKS, window(4, 5), causal()]) {
          for (const [prompt, step] of [
            [40, 1],
            [0, 16],
          ] as const) {
            const run = {length: 60, steps: split(60, prompt, step), sizes, cache: {precision: 'float16'} as const};
            await expectCausalRun(pattern, run, `${pattern}, ${prompt} and then ${step} each`);
          }
        }
        // Rows of halves are padded.
        const run = {length: 30, steps: split(30, 11, 3), cache: {precision: 'float16'} as const};
        await expectCausalRun(SINKS, run, '6 and 4 features');
      });
    });

    it('with query heads that share key heads, and every option of the scores', async () => {
      const [slopes, sinks] = [
        [0.5, 0.25, 0.125, 0.1, 0, 1],
        [1, -1, 0.5, 0, 2, -Infinity],
      ];
      const options = {scale: 0.4, softcap: 1.5, alibiSlopes: slopes, sinks: tf.tensor1d(sinks)};
      const says = {scale: 0.4, softcap: 1.5, bias: alibiBias(slopes, 0), sinks};
      for (const pattern of [prefix(2).or(window(12)).and(causal()), causal()]) {
        for (const precision of ['float32', 'float16'] as const) {
          const run = {
            length: 60,
            // Steps of few rows, and of more than a small tile has.
            steps: [21, ...split(23, 3, 3), 16],
            sizes: {heads: 6, keyHeads: 2},
            options,
            oracle: says,
            cache: {precision},
          };
          await expectCausalRun(pattern, run, `${pattern}, ${precision}`);
        }
      }
    });

    it('with a bias of pairs or by distance, in either layout', async () => {
      const [length, sizes] = [40, {heads: 4, keyHeads: 2}];
      const steps = [11, 1, 1, 1, 5, 5, ...split(16, 1, 1)];
      const pattern = prefix(2).or(window(9)).and(causal());
      for (const [name, biased] of Object.entries(BIASED)) {
        const run = biased(wholeBiases(2, 4, length));
        const isAll = name.startsWith('all');
        const more = isAll ? {cache: {precision: 'float16'} as const, layout: 'blhd' as const} : {};
        await poisoned(() => expectCausalRun(pattern, {length, steps, sizes, ...run, ...more}, name));
      }
    });

    it('where long rows are cut into parts', async () => {
      for (const pattern of [prefix(4).or(window(300)).and(causal()), strided({stride: 3}).and(causal()).or(window(200))]) {
        const sizes = {batch: 1, heads: 4, keyHeads: 2};
        const options = {sinks: [1, -1, 0.5, 3]};
        const run = {length: 420, steps: [400, 1, 1, 2, 1, 7, 8], sizes, options, oracle: options, around: inParts};
        await poisoned(() => expectCausalRun(pattern, run, String(pattern)));
      }
    });

    it('where rows have too many runs', async () => {
      const random = mulberry32(5);
      const listed = Array.from({length: 400}, (_, i) => i).filter(() => random() < 0.4);
      const pattern = globalTokens(listed)
        .or(blockLocal({size: 8}))
        .and(causal());
      await poisoned(() => expectCausalRun(pattern, {length: 410, steps: [401, 1, 3, 5], sizes: {heads: 4}}, 'listed tokens'));
    });
  });

  describe('sequences of different lengths', () => {
    it('equal attention over what is left of them, through appends and rollbacks', async () => {
      const {rolledBack, moved} = await playMany(14, {}, [{}, {bias: true}, {relative: true, layout: 'blhd'}]);
      expect(rolledBack).toBeGreaterThan(3);
      expect(moved).toBeGreaterThan(3);
    });

    it('go on several times, are dropped and forked, however the ring lies; float16 too', async () => {
      const append = (...counts: [number, number]): HistoryEvent => ({kind: 'append', counts, padding: 0});
      const events: HistoryEvent[] = [
        append(9, 7),
        {kind: 'reorder', order: [1, 0]},
        append(1, 1),
        {kind: 'reorder', order: [1, 1]},
        append(1, 1),
        {kind: 'rollback', share: 2, which: 0},
        {kind: 'reorder', order: [0, 0]},
        {kind: 'reorder', order: [1, 0]},
        append(0, 2),
        {kind: 'fork', order: [1, 1]},
        {kind: 'poison', at: 1},
        append(2, 1),
        {...append(1, 2), at: 1},
        {kind: 'fork', order: [0, 1]},
        {kind: 'reset', which: 1},
        append(1, 9),
        {kind: 'reorder', order: [1, 1]},
        {...append(3, 1), at: 2},
        append(2, 2),
      ];
      for (const precision of ['float32', 'float16'] as const) {
        await poisoned(async () => {
          for (const pattern of [window(4), prefix(3).or(window(2)).and(causal()), causal()]) {
            const options = {rollback: 2, maxStep: 3, precision};
            expect((await play(pattern, options, events, {relative: true})).moved).toBe(7);
          }
        });
      }
    });

    it('are copied only where one goes on several times, or where a fork is written', async () => {
      const step = (): tf.Tensor4D => tf.ones<tf.Rank.R4>([3, 1, 1, 4]);
      const cache = new KvCache(window(5), {batch: 3, keyHeads: 1, headDim: 4});
      const attend = (from = cache): void => void from.attend(step(), step(), step());
      const copies = async (run: () => void): Promise<number> =>
        (await dispatched(run)).filter((label) => label === 'SparseAttention.copy').length;
      attend();
      expect(await copies(attend)).toBe(0);
      cache.reorder([2, 0, 1]);
      expect(await copies(attend)).toBe(0);
      cache.reorder([2, 2, 1]);
      expect(await copies(attend)).toBe(1);
      expect(await copies(attend)).toBe(0);

      let fork!: KvCache;
      expect(await madeBy(async () => void (fork = cache.fork()))).toEqual([]);
      expect(fork.bytes).toBe(cache.bytes);
      // The first to write goes on in memory of its own, the other in what both had.
      const made = (label: string): boolean => label === 'buffer SparseAttention.cache';
      expect((await madeBy(async () => attend(fork))).filter(made).length).toBe(2);
      expect((await madeBy(async () => attend())).filter(made).length).toBe(0);
      expect((await madeBy(async () => attend(fork))).filter(made).length).toBe(0);
      cache.dispose();
      expect(Array.from(await fork.attend(step(), step(), step()).data()).every((x) => x === 1)).toBeTrue();
      fork.dispose();
    });

    it('with distances that count positions, not slots; cut into parts or not', async () => {
      const [batch, heads, keyHeads, headDim, valueDim, m] = [3, 4, 2, 6, 4, 5];
      const slopes = [0.5, 0.25, 0.1, 0];
      const pattern = prefix(3).or(window(150)).and(causal());
      const long = 300;
      const inputs = randomInputs({batch, heads, keyHeads, queryLength: long, keyLength: long, headDim, valueDim});
      const all = tensorsOf(inputs);
      const run = async (around = (step: () => tf.Tensor4D): tf.Tensor4D => step()): Promise<void> => {
        const cache = new KvCache(pattern, {batch, keyHeads, headDim, valueDim, maxStep: m});
        // What each sequence has seen so far, in steps of which it takes different shares.
        const lengths = [0, 0, 0];
        const shares = [
          [280, 200, 2],
          [5, 0, 1],
          [3, 5, 5],
          [1, 2, 0],
        ];
        for (const counts of shares) {
          const most = Math.max(...counts);
          const part = (tensor: tf.Tensor4D): tf.Tensor4D =>
            tf.concat(
              counts.map((_, b) => {
                const from = Math.min(lengths[b]!, long - most);
                const shift = lengths[b]! - from;
                const piece = tf.slice(tensor, [b, 0, from + shift, 0], [1, -1, Math.min(most, long - lengths[b]!), -1]);
                return tf.pad(piece, [
                  [0, 0],
                  [0, 0],
                  [0, most - piece.shape[2]],
                  [0, 0],
                ]);
              }),
              0,
            );
          const step = (): tf.Tensor4D =>
            cache.attend(part(all[0]), part(all[1]), part(all[2]), {lengths: counts, alibiSlopes: slopes});
          const output = lengths[0] === 0 ? step() : around(step);
          const whole = await output.array();
          counts.forEach((count, b) => {
            lengths[b]! += count;
            for (let h = 0; h < heads; h++)
              for (let i = count; i < most; i++) expect(whole[b]![h]![i]!.every((x) => x === 0)).toBeTrue();
          });
          for (const [b, count] of counts.entries()) {
            if (count === 0) continue;
            const first = lengths[b]! - count;
            const one = sequenceOf(inputs, b, first, count);
            const own = tf.slice(output, [b, 0, 0, 0], [1, -1, count, -1]);
            await expectAttention(
              own,
              one,
              (q, k) => pattern.attends(q, k, {...one, queryOffset: first}),
              {bias: alibiBias(slopes, first)},
              `sequence ${b} after ${first}`,
            );
          }
        }
        cache.dispose();
      };
      await poisoned(() => run());
      await run(inParts);
    });
  });

  describe('memory', () => {
    it('stays what it is, token after token, and so do the pipelines', async () => {
      const before = tf.memory().numTensors;
      const cache = new KvCache(SINKS, {...CACHE, maxStep: 2});
      const {bytes} = cache;
      expect(tf.memory().numTensors).toBe(before);
      const step = tensorsOf(randomInputs({...SIZES, queryLength: 1, keyLength: 1}));
      const some = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++) {
          const output = cache.attend(...step);
          if (i % 7 === 0) await output.data();
          output.dispose();
        }
        await backend().queue.onSubmittedWorkDone();
      };
      await some(30);
      const {numTensors, numBytes} = tf.memory();
      const allocated = backend().bufferManager.numBytesAllocated;
      expect((await madeBy(() => some(50))).filter((label) => !label.startsWith('buffer of tfjs'))).toEqual([]);
      expect(tf.memory().numTensors).toBe(numTensors);
      expect(tf.memory().numBytes).toBe(numBytes);
      expect(backend().bufferManager.numBytesAllocated).toBeLessThanOrEqual(allocated);
      expect(cache.bytes).toBe(bytes);
      expect(bytes).toBe(4 * CACHE.batch * CACHE.keyHeads * cache.capacity * (CACHE.headDim + CACHE.valueDim));
      cache.dispose();
      expect(cache.bytes).toBe(0);
      cache.dispose();
    });

    it('is not written while commands that read it wait', async () => {
      const usual = tf.env().get('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE') as number;
      tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', 100000);
      try {
        await expectCausalRun(SINKS, {length: 75, steps: split(75, 0, 1)}, 'nothing is submitted before the end');
      } finally {
        tf.env().set('WEBGPU_DEFERRED_SUBMIT_BATCH_SIZE', usual);
      }
    });

    it('outlives the tidy that it is used in, and is kept by reset', async () => {
      const inputs = randomInputs({...SIZES, queryLength: 40, keyLength: 40});
      const [query, key, value] = tensorsOf(inputs);
      let cache!: KvCache;
      tf.tidy(() => void (cache = new KvCache(SINKS, CACHE)));
      tf.tidy(() => void decode(cache, tensorsOf(randomInputs({...SIZES, queryLength: 33, keyLength: 33}, 2)), [20, 1, 12]));
      cache.reset();
      expect(cache.lengths).toEqual([0, 0]);
      const output = decode(cache, [query, key, value], [9, 30, 1]);
      await expectAttention(output, inputs, (q, k) => SINKS.attends(q, k, inputs));
      cache.dispose();
    });
  });

  it('takes back tokens, whose places others take', async () => {
    const events = [{kind: 'append' as const, counts: [9, 7] as const, padding: 0}];
    const all = Array.from({length: 6}, () => [
      {kind: 'append' as const, counts: [5, 5] as const, padding: 1},
      {kind: 'rollback' as const, share: 4, which: 2},
    ]).flat();
    for (const pattern of [window(6), prefix(2).or(window(3)).and(causal())])
      expect(await play(pattern, {rollback: 4, maxStep: 1}, [...events, ...all])).toEqual(
        jasmine.objectContaining({refused: 0, rolledBack: 6}),
      );
  });

  it('takes features past 256, of keys or of values', async () => {
    const pattern = prefix(1).or(window(4)).and(causal());
    for (const [headDim, valueDim] of [
      [300, 260],
      [8, 512],
    ] as const) {
      const sizes = {heads: 2, keyHeads: 1, headDim, valueDim};
      await expectCausalRun(pattern, {length: 14, steps: [6, 1, 1, 4, 1, 1], sizes}, `${headDim} and ${valueDim}`);
    }
  });

  it('has nothing of NaN and infinity that were taken back, also where the ring has wrapped', async () => {
    const events = Array.from({length: 12}, (): HistoryEvent[] => [
      {kind: 'append', counts: [3, 2], padding: 0},
      {kind: 'poison'},
    ]).flat();
    for (const pattern of [window(6), prefix(2).or(window(5)).and(causal())])
      expect((await play(pattern, {rollback: 4, maxStep: 3}, events)).poisoned).toBe(12);
    // Rows of too many runs: all slots are visited, and bits say which are attended to.
    const listed = globalTokens(Array.from({length: 70}, (_, i) => 2 * i))
      .or(window(6))
      .and(causal());
    await play(listed, {rollback: 4, maxStep: 3}, [{kind: 'append', counts: [150, 149], padding: 0}, ...events]);
    const again: HistoryEvent[] = [...events, {kind: 'poison'}, {kind: 'reset', which: 2}, ...events];
    await play(window(6), {rollback: 4, maxStep: 3, precision: 'float16'}, again);
  });

  it('refuses gradients through it, and no others', async () => {
    for (const [name, ask] of Object.entries(ASKED)) {
      expect(refusal(() => ask(filledCache())).message)
        .withContext(name)
        .toMatch(/gradient of KvCache.attend.*sparseAttention\(/);
    }
    for (const [name, use] of Object.entries(UNTOUCHED)) {
      const gradient = await use(filledCache()).data();
      expect(gradient.every((x) => x === 2))
        .withContext(name)
        .toBeTrue();
    }
  });

  it('compiles ahead where TensorFlow.js does', async () => {
    const sizes = {keyHeads: 1, headDim: 20};
    const ones = tf.ones<tf.Rank.R4>([1, 1, 1, 20]);
    tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', true);
    const ahead = new KvCache(window(5), sizes);
    try {
      for (let i = 0; i < 2; i++) ahead.attend(ones, ones, ones);
      await backend().checkCompileCompletionAsync();
    } finally {
      tf.env().set('WEBGPU_ENGINE_COMPILE_ONLY', false);
    }
    ahead.reset();
    const made = await madeBy(async () => {
      for (let i = 0; i < 2; i++) expect((await ahead.attend(ones, ones, ones).data()).every((x) => x === 1)).toBeTrue();
    });
    expect(made.filter((label) => label.startsWith('pipeline Sparse'))).toEqual([]);
    ahead.dispose();
  });

  it('takes tensors that are stored as int32 behind a cast', async () => {
    const cache = new KvCache(window(5), {keyHeads: 1, headDim: 4});
    const value = tf.cast(tf.notEqual(tf.tensor4d([0, 1, 1, 0], [1, 1, 1, 4]), 0), 'float32') as tf.Tensor4D;
    const ones = tf.ones<tf.Rank.R4>([1, 1, 1, 4]);
    cache.attend(ones, ones, value);
    expect(Array.from(await cache.attend(ones, ones, value).data())).toEqual([0, 1, 1, 0]);
    cache.dispose();
  });

  describe('refuses', () => {
    it('to work on another backend than the one that holds its memory, and goes on there', async () => {
      const cache = new KvCache(window(5), {keyHeads: 1, headDim: 4});
      const ones = (): tf.Tensor4D => tf.ones<tf.Rank.R4>([1, 1, 1, 4]);
      cache.attend(ones(), ones(), ones());
      const {device, adapterInfo} = backend();
      tf.copyRegisteredKernels('webgpu', 'other');
      tf.registerBackend('other', () => new WebGPUBackend(device, adapterInfo as unknown as GPUAdapterInfo));
      await tf.setBackend('other');
      try {
        expect(refusal(() => cache.attend(ones(), ones(), ones())).message).toMatch(
          /KvCache: found the backend 'other', expected the WebGPU backend that the cache was made on/,
        );
      } finally {
        await tf.setBackend('webgpu');
        tf.removeBackend('other');
        for (const {kernelName} of tf.getKernelsForBackend('other')) tf.unregisterKernel(kernelName, 'other');
      }
      expect(cache.lengths).toEqual([1]);
      expect(Array.from(await cache.attend(ones(), ones(), ones()).data())).toEqual([1, 1, 1, 1]);
      cache.dispose();
    });

    it('to go on after the device is lost', () => {
      const cache = new KvCache(window(5), {keyHeads: 1, headDim: 4});
      const ones = tf.ones<tf.Rank.R4>([1, 1, 1, 4]);
      host().lost = 'for a test';
      try {
        expect(refusal(() => cache.attend(ones, ones, ones)).message).toMatch(/WebGPU device: found a lost one/);
        expect(refusal(() => new KvCache(window(5), {keyHeads: 1, headDim: 4})).message).toMatch(/found a lost one/);
      } finally {
        host().lost = null;
      }
      cache.dispose();
    });

    it('more memory than one buffer holds', () => {
      const most = Math.min(backend().device.limits.maxStorageBufferBindingSize, backend().device.limits.maxBufferSize);
      const maxLength = Math.ceil(most / 1024) + 1;
      const {message} = refusal(() => new KvCache(causal(), {keyHeads: 1, headDim: 256, valueDim: 1, maxLength}));
      expect(message).toMatch(new RegExp(`found ${maxLength * 1024} bytes of keys or values, expected at most ${most}, a buffer`));
      // Nor does TensorFlow.js hold it, which keeps wider features, nor does a fork to more sequences.
      const wide = {keyHeads: 1, headDim: 512, valueDim: 1};
      expect(refusal(() => new KvCache(causal(), {...wide, maxLength})).message).toMatch(/bytes of keys or values/);
      const small = new KvCache(causal(), {...wide, maxLength: 8});
      const copies = new Array<number>(Math.ceil(most / (8 * 2048)) + 1).fill(0);
      expect(refusal(() => small.fork(copies)).message).toMatch(/bytes of keys or values/);
      small.dispose();
    });

    it('to go on once the device has refused it, instead of giving old memory for results', async () => {
      const cache = new KvCache(window(5), {keyHeads: 1, headDim: 12});
      const ones = tf.ones<tf.Rank.R4>([1, 1, 1, 12]);
      const {device} = backend();
      const original = device.createBindGroup;
      const said = spyOn(console, 'error');
      // A binding that the layout does not know.
      device.createBindGroup = (descriptor) => original.call(device, {...descriptor, entries: [...descriptor.entries].slice(1)});
      try {
        cache.attend(ones, ones, ones);
        cache.attend(ones, ones, ones);
      } finally {
        delete (device as Partial<GPUDevice>).createBindGroup;
      }
      await backend().queue.onSubmittedWorkDone();
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(said).toHaveBeenCalled();
      expect(refusal(() => cache.attend(ones, ones, ones)).message).toMatch(/SparseAttention.*an error of the WebGPU device/);
      takeUncapturedErrors();
    });

    it('wrong arguments, and stays as it was', async () => {
      const inputs = randomInputs({...SIZES, queryLength: 12, keyLength: 12});
      const tensors = tensorsOf(inputs);
      const cache = new KvCache(SINKS, {...CACHE, maxStep: 3});
      const first = cache.attend(...tokens(tensors, 0, 7));
      const [q, k, v] = tokens(tensors, 7, 5);
      for (const act of [
        () => cache.attend(tf.zeros([2, 3, 5, 6]), k, v),
        () => cache.attend(q, v, k),
        () => cache.attend(q, k, v, {alibiSlopes: [1]}),
        () => cache.attend(q, k, v, {lengths: [5, 6]}),
        () => cache.rollback(8),
      ]) {
        refusal(act);
        expect(cache.lengths).toEqual([7, 7]);
      }
      const output = tf.concat([first, cache.attend(q, k, v)], 2);
      await expectAttention(output, inputs, (query, key) => SINKS.attends(query, key, inputs));
      cache.dispose();
    });
  });
});
