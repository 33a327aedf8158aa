import '@tensorflow/tfjs'; // registers gradients
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {capture, causal, KvCache, prefix, SplatError, type Tensors} from '../../src/index.js';
import {backend, host, poison} from '../support/attend.js';
import {outputsOf} from '../support/captures.js';
import {deviceCalls} from '../support/device_calls.js';
import {refusal} from '../support/errors.js';
import {takeUncapturedErrors} from '../support/gpu_setup.js';
import {window} from '../support/kv_cases.js';
import {inParts, madeBy} from '../support/kv_device.js';
import {Twins, type StepSetting} from '../support/kv_twins.js';
import {onSecondBackend} from '../support/second_backend.js';

const SINKS = prefix(2).or(window(5)).and(causal());
const SETTING: StepSetting = {pattern: SINKS, cache: {rollback: 4, maxStep: 2}};

async function started(setting: StepSetting = SETTING, prompt = 12): Promise<Twins> {
  const twins = new Twins(setting);
  await twins.attend(prompt);
  await twins.capture();
  return twins;
}

describe('between replays', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('caches may step plainly, go back, begin anew, change places and fork', async () => {
    type Event = 'step' | 'plain' | 'rollback' | 'reset' | 'restart' | 'reorder' | 'fork' | 'poison' | 'capture';
    const events = fc.array(
      fc.tuple(
        fc.constantFrom<Event>(
          'step',
          'step',
          'step',
          'plain',
          'rollback',
          'reset',
          'restart',
          'reorder',
          'fork',
          'poison',
          'capture',
        ),
        fc.nat(3),
      ),
      {minLength: 12, maxLength: 24},
    );
    await fc.assert(
      fc.asyncProperty(events, fc.constantFrom(SINKS, window(3), causal()), async (all, pattern) => {
        const twins = await started({...SETTING, pattern, cache: {...SETTING.cache, maxLength: 400}});
        const forks: KvCache[] = [];
        for (const [event, n] of all) {
          if (event === 'step') await twins.steps(n + 1);
          else if (event === 'plain') await twins.attend(n + 1, [n + 1, Math.min(n, 1)]);
          else if (event === 'rollback') twins.rollback(n + 1);
          else if (event === 'reset') twins.both((cache) => cache.reset(n % 2));
          else if (event === 'restart') {
            twins.both((cache) => cache.reset());
            await twins.attend(5 + n);
          } else if (event === 'reorder') twins.both((cache) => cache.reorder([n % 2, n >> 1]));
          // Whichever is written first goes on in memory of its own.
          else if (event === 'fork') twins.both((cache) => forks.push(cache.fork([n % 2, 0])));
          else if (event === 'poison') await poison(2 * 2 * 6 * 4, 2 * 2 * 4 * 4);
          else await twins.capture();
          if (twins.captured.lengths.every((length) => length === 0)) await twins.attend(3);
        }
        for (let i = 0; i < forks.length; i += 2) {
          const [a, b] = [forks[i]!, forks[i + 1]!];
          if (a.lengths.every((length) => length === 0)) continue;
          const inputs = twins.inputs();
          expect(await outputsOf(twins.run(a, inputs))).toEqual(await outputsOf(twins.run(b, inputs)));
        }
        twins.expectSameRollback();
        for (const fork of forks) fork.dispose();
        twins.dispose();
      }),
      {numRuns: 25},
    );
  });

  it('the list of programs may change, and change back', async () => {
    const sizes = {batch: 1, keyHeads: 2, headDim: 6, valueDim: 4};
    const twins = await started({pattern: prefix(4).or(window(300)).and(causal()), heads: 4, cache: sizes}, 400);
    const before = twins.replay!.dispatches;
    for (const around of [undefined, inParts, inParts, undefined, inParts, undefined]) {
      await twins.step(around);
      expect(twins.replay!.dispatches > before).toBe(around !== undefined);
    }
    twins.dispose();
  });

  it('long steps are submitted in turns', async () => {
    const twins = await started();
    const submits = spyOn(backend().device.queue, 'submit').and.callThrough();
    const usual = tf.env().getNumber('SPLAT_DISPATCH_MS');
    tf.env().set('SPLAT_DISPATCH_MS', 1e-6);
    try {
      await twins.steps(2);
      submits.calls.reset();
      twins.replay!.run(twins.inputs()).dispose();
      expect(submits.calls.count()).toBeGreaterThan(1);
    } finally {
      tf.env().set('SPLAT_DISPATCH_MS', usual);
    }
    twins.dispose();
  });

  it('another capture may step the same caches, by other numbers of tokens', async () => {
    const one = await started();
    const three = new Twins({...SETTING, tokens: 3}, [one.captured, one.plain]);
    await three.capture();
    for (let i = 0; i < 4; i++) {
      await one.steps(2);
      await three.step();
    }
    three.replay!.dispose();
    await one.steps(2);
    one.dispose();
  });

  it('slopes that were assigned are seen, and inputs stored as int32 are converted', async () => {
    const slopes = tf.variable(tf.tensor1d([0.5, 0.25]));
    const [captured, plain] = [0, 1].map(() => new KvCache(SINKS, {keyHeads: 2, headDim: 4}));
    const step = (cache: KvCache, x: tf.Tensor): tf.Tensor => {
      const value = tf.cast(tf.greater(x, 0), 'float32') as tf.Tensor4D;
      return cache.attend(x as tf.Tensor4D, x as tf.Tensor4D, value, {alibiSlopes: slopes});
    };
    const random = (seed: number, tokens = 1): tf.Tensor => tf.randomUniform([1, 2, tokens, 4], -1, 1, 'float32', seed);
    for (const cache of [captured!, plain!]) step(cache, random(1, 6));
    const replay = await capture((x: tf.Tensor) => step(captured!, x), random(2));
    for (let i = 0; i < 6; i++) {
      if (i % 2 === 0) slopes.assign(tf.tensor1d([i, -i / 2]));
      const x = random(3 + i);
      expect(await outputsOf(replay.run(x))).toEqual(await outputsOf(step(plain!, x)));
    }
    replay.dispose();
    tf.dispose(slopes);
    for (const cache of [captured!, plain!]) cache.dispose();
  });
});

describe('a function', () => {
  it('may step several caches, one of them twice', async () => {
    const make = (): KvCache[] => [SINKS, window(3)].map((pattern) => new KvCache(pattern, {keyHeads: 1, headDim: 4, maxStep: 1}));
    const [captured, plain] = [make(), make()];
    const run = ([first, second]: KvCache[], x: tf.Tensor): tf.Tensor[] => {
      const step = (cache: KvCache, x: tf.Tensor): tf.Tensor4D =>
        cache.attend(...([x, x, x] as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D]));
      const a = step(first!, x);
      const b = step(second!, tf.add(a, x));
      return [a, step(first!, tf.mul(b, 2)), b];
    };
    const random = (seed: number, tokens = 1): tf.Tensor => tf.randomUniform([1, 1, tokens, 4], -1, 1, 'float32', seed);
    for (const caches of [captured, plain]) run(caches, random(1, 9));
    const replay = await capture((x: tf.Tensor) => run(captured, x), random(2));
    for (let i = 0; i < 20; i++) {
      const x = random(3 + i);
      expect(await outputsOf(replay.run(x))).toEqual(await outputsOf(run(plain, x)));
    }
    expect(captured.map(({lengths}) => lengths)).toEqual(plain.map(({lengths}) => lengths));
    replay.dispose();
  });

  it('may have gradients beside a step, not through it', async () => {
    const twins = await started();
    const query = (inputs: tf.NamedTensorMap): tf.Tensor => tf.grad((x) => tf.sum(tf.square(x)))(inputs['query']!);
    const replay = await capture(
      (inputs: tf.NamedTensorMap) => twins.run(twins.captured, {...inputs, query: query(inputs)}),
      twins.inputs(),
    );
    const inputs = twins.inputs();
    expect(await outputsOf(replay.run(inputs))).toEqual(await outputsOf(twins.run(twins.plain, {...inputs, query: query(inputs)})));
    const through = (inputs: tf.NamedTensorMap): tf.Tensor =>
      tf.grad((query) => tf.sum(twins.run(twins.captured, {...inputs, query})))(inputs['query']!);
    await expectAsync(capture(through, twins.inputs())).toBeRejectedWithError(SplatError, /^gradient of KvCache.attend/);
    await twins.step();
    replay.dispose();
    twins.dispose();
  });
});

describe('memory', () => {
  it('stays what it is, replay after replay, and the capture says how much it holds', async () => {
    const twins = await started();
    const replay = twins.replay!;
    const given = {query: new Float32Array(24), key: new Float32Array(24).fill(1), value: new Float32Array(16).fill(2)};
    for (let i = 0; i < 30; i++) await replay.read(given);
    host().flush();
    const counts = (): number[] => [
      tf.memory().numTensors,
      backend().numDataIds(),
      backend().bufferManager.numBytesUsed,
      replay.bytes,
    ];
    const before = counts();
    for (let i = 0; i < 3; i++) {
      // Inputs, and schedules and parameters of all steps together.
      const calls = await deviceCalls(backend().device, () => replay.read(given));
      expect(calls).toEqual({createBindGroup: 0, createBuffer: 0, writeBuffer: 3 + 2, destroy: 0});
    }
    expect(counts()).toEqual(before);
    expect(replay.dispatches).toBeGreaterThan(2);
    const plain = await capture(({query}: tf.NamedTensorMap) => tf.mul(tf.mul(query!, 2), 0.5), twins.inputs());
    expect(replay.bytes).toBeGreaterThan(plain.bytes + 512);
    plain.dispose();
    const destroyed = await deviceCalls(backend().device, () => replay.dispose());
    expect(destroyed.destroy).toBeGreaterThan(3);
    // The cache goes on without.
    expect((await twins.run(twins.captured, twins.inputs()).data()).every(Number.isFinite)).toBeTrue();
    twins.dispose();
  });

  it('of a fork is made by the first replay, not by the capture', async () => {
    const twins = await started();
    const forks = [twins.captured, twins.plain].map((cache) => cache.fork());
    const isCache = (label: string): boolean => label === 'buffer SparseAttention.cache';
    expect((await madeBy(async () => void (await twins.capture()))).filter(isCache)).toEqual([]);
    const inputs = twins.inputs();
    expect((await madeBy(async () => twins.replay!.run(inputs).dispose())).filter(isCache).length).toBe(2);
    expect((await madeBy(async () => twins.replay!.run(inputs).dispose())).filter(isCache)).toEqual([]);
    for (let i = 0; i < 2; i++) twins.run(twins.plain, inputs).dispose();
    // The forks have what both had, in the old memory.
    const outputs = forks.map((fork) => twins.run(fork, inputs));
    expect(await outputsOf(outputs[0]!)).toEqual(await outputsOf(outputs[1]!));
    await twins.steps(3);
    for (const fork of forks) fork.dispose();
    twins.dispose();
  });
});

describe('a capture leaves caches as they were', () => {
  const spoil: Readonly<Record<string, (step: () => tf.Tensor) => Tensors>> = {
    'that goes well': (step) => step(),
    'whose function throws after a step': (step) => {
      step();
      throw new SplatError({thing: 'a test', found: 'an error', expected: 'one', cure: 'None.'});
    },
    'that is refused after a step': (step) => tf.mul(step(), Math.random()),
    'that is refused before the end of a step': (step) => tf.mul(step().dataSync()[0]!, step()),
    'of two runs that differ': (() => {
      let runs = 0;
      return (step) => (++runs % 3 === 0 ? tf.mul(step(), step()) : step());
    })(),
  };
  for (const [name, run] of Object.entries(spoil)) {
    it(name, async () => {
      for (const prompt of [3, 30]) {
        const twins = new Twins({...SETTING, cache: {rollback: 2, maxStep: 2}});
        await twins.attend(prompt);
        twins.both((cache) => cache.rollback(1));
        const before = [twins.captured.bytes, tf.memory().numTensors];
        const inputs = twins.inputs();
        const replay = await capture((given: tf.NamedTensorMap) => run(() => twins.run(twins.captured, given)), inputs).catch(
          () => null,
        );
        replay?.dispose();
        tf.dispose(inputs);
        expect(replay !== null).toBe(name === 'that goes well');
        expect([twins.captured.bytes, tf.memory().numTensors]).toEqual(before);
        expect(twins.captured.lengths).toEqual(twins.plain.lengths);
        twins.expectSameRollback();
        for (let i = 0; i < 3; i++) await twins.attend(1);
        twins.dispose();
      }
    });
  }
});

describe('refused, with the cache as it was:', () => {
  /** What `act` says; both caches go on alike. */
  async function expectRefused(twins: Twins, act: (twins: Twins) => unknown, message: RegExp, isLast = true): Promise<void> {
    const {lengths} = twins.captured;
    await expectAsync((async () => act(twins))()).toBeRejectedWithError(SplatError, message);
    expect(twins.captured.lengths).toEqual(lengths);
    await twins.attend(1);
    if (isLast) twins.dispose();
  }
  const captureOf = (twins: Twins, run: (given: tf.NamedTensorMap) => unknown): Promise<unknown> =>
    capture((given: tf.NamedTensorMap) => {
      const output = twins.run(twins.captured, given);
      run(given);
      return output;
    }, twins.inputs());

  const inside: Readonly<Record<string, readonly [(cache: KvCache) => unknown, RegExp]>> = {
    rollback: [(cache) => cache.rollback(1), /another method than attend \(rollback\)/],
    reset: [(cache) => cache.reset(), /another method than attend \(reset\).*between replays/],
    reorder: [(cache) => cache.reorder([1, 0]), /another method than attend \(reorder\)/],
    fork: [(cache) => cache.fork(), /another method than attend \(fork\)/],
    dispose: [(cache) => cache.dispose(), /another method than attend \(dispose\)/],
    'new KvCache': [() => new KvCache(SINKS, {keyHeads: 1, headDim: 4}), /another method than attend \(new KvCache\)/],
    'the lengths': [(cache) => cache.lengths, /a read of the lengths of a KvCache.*positions of tokens/],
  };
  for (const [name, [act, message]] of Object.entries(inside)) {
    it(`${name} inside of the function`, async () => {
      await expectRefused(await started(), (twins) => captureOf(twins, () => act(twins.captured)), message);
      // Also where the function survives it.
      const survived = (twins: Twins): Promise<unknown> =>
        captureOf(twins, () => {
          try {
            act(twins.captured);
          } catch {
            // As if nothing were.
          }
        });
      await expectRefused(await started(), survived, message);
    });
  }

  it('a prompt, in a capture and in a replay', async () => {
    const prompt = /a prompt of a KvCache \(attend on an empty cache\).*Read the prompt outside/;
    await expectRefused(new Twins(SETTING), (twins) => twins.capture(), prompt);
    const emptied = (twins: Twins): void => {
      twins.both((cache) => cache.reset());
      twins.replay!.run(twins.inputs());
    };
    const twins = await started();
    await expectAsync((async () => emptied(twins))()).toBeRejectedWithError(
      SplatError,
      /^KvCache: found an empty cache in a replay/,
    );
    await twins.attend(7);
    await twins.steps(2);
    twins.dispose();
  });

  it('biases that follow the length', async () => {
    const start = (options: object): Promise<unknown> => {
      const twins = new Twins(SETTING);
      return twins.attend(12).then(() => {
        const optionsOf = (): object => options;
        return expectRefused(
          twins,
          (twins) => new Twins({...SETTING, optionsOf}, [twins.captured, twins.plain]).capture(),
          /follow its length/,
        );
      });
    };
    await start({relativeBias: tf.zeros([1, 13])});
    await start({relativeBias: tf.zeros([1, 99]), bias: tf.zeros([1, 50])});
  });

  it('biases that do not reach as far as the cache by now', async () => {
    for (const [options, message] of [
      [{bias: tf.zeros([1, 14])}, /^bias: found shape \[1, 1, 1, 14\], expected .*or has more columns/],
      [{relativeBias: tf.zeros([1, 27])}, /^relativeBias: found shape \[1, 27\], expected .*a length of at least 15/],
    ] as const) {
      const twins = new Twins({...SETTING, optionsOf: () => options});
      await twins.attend(12);
      await twins.capture();
      await twins.steps(2);
      expect(refusal(() => twins.replay!.run(twins.inputs())).message).toMatch(message);
      expect(twins.captured.lengths).toEqual([14, 14]);
      twins.both((cache) => cache.rollback(1));
      await twins.step();
      twins.dispose();
    }
  });

  it('another cache or other options in each run', async () => {
    const twins = await started();
    const caches = [twins.captured, twins.plain];
    let runs = 0;
    for (const run of [
      (inputs) => twins.run(caches[++runs % 2]!, inputs),
      (inputs) => twins.run(twins.captured, inputs, {scale: 1 + ++runs}),
      (inputs) => twins.run(twins.captured, inputs, {lengths: [1, ++runs % 2]}),
    ] as ((inputs: tf.NamedTensorMap) => tf.Tensor)[]) {
      const differs = /two runs that differ: dispatch \d+, KvCache, is a program of another kind or size/;
      await expectRefused(twins, () => capture(run, twins.inputs()), differs, false);
    }
    twins.dispose();
  });

  it('a cache of TensorFlow.js ops', async () => {
    const wide = new KvCache(window(3), {keyHeads: 1, headDim: 300});
    const x = (tokens: number): tf.Tensor4D => tf.ones([1, 1, tokens, 300]);
    wide.attend(x(4), x(4), x(4));
    await expectAsync(capture((x: tf.Tensor4D) => wide.attend(x, x, x), x(1))).toBeRejectedWithError(
      SplatError,
      /more than 256 features/,
    );
    expect(wide.lengths).toEqual([4]);
    expect((await wide.attend(x(1), x(1), x(1)).data())[0]).toBeCloseTo(1, 5);
    wide.dispose();
  });

  it('a second cache that is full, disposed of or broken: the first is as it was', async () => {
    const options = {batch: 1, keyHeads: 1, headDim: 4};
    const x = (tokens: number, seed: number): tf.Tensor4D => tf.randomUniform([1, 1, tokens, 4], -1, 1, 'float32', seed);
    const [first, twin] = [0, 1].map(() => new KvCache(window(5), options));
    const second = new KvCache(causal(), {...options, maxLength: 10});
    const run = (first: KvCache, x: tf.Tensor4D): tf.Tensor4D => second.attend(first.attend(x, x, x), x, x);
    for (const cache of [first!, twin!, second]) cache.attend(x(8, 1), x(8, 2), x(8, 3));
    const replay = await capture((x: tf.Tensor4D) => run(first!, x), x(1, 4));
    for (let i = 0; i < 2; i++) {
      replay.run(x(1, 5 + i)).dispose();
      twin!.attend(x(1, 5 + i), x(1, 5 + i), x(1, 5 + i));
    }
    const submits = spyOn(backend().device.queue, 'submit').and.callThrough();
    const expectAsItWas = (message: RegExp): void => {
      const input = new Float32Array(4);
      host().flush();
      submits.calls.reset();
      expect(refusal(() => replay.run(input)).message).toMatch(message);
      expect(submits).not.toHaveBeenCalled();
      expect(first!.lengths).toEqual(twin!.lengths);
    };
    expectAsItWas(/^tokens of sequence 0: found 10 held and 1 new, expected at most 10/);
    await expectAsync(replay.read(new Float32Array(4))).toBeRejectedWithError(SplatError, /10 held and 1 new/);
    second.rollback(1);
    host().lost = 'for a test';
    try {
      expectAsItWas(/^WebGPU device: found a lost one/);
    } finally {
      host().lost = null;
    }
    second.dispose();
    expectAsItWas(/^KvCache: found a disposed cache/);
    const last = x(1, 9);
    expect(await outputsOf(first!.attend(last, last, last))).toEqual(await outputsOf(twin!.attend(last, last, last)));
    replay.dispose();
    for (const cache of [first!, twin!]) cache.dispose();
  });

  it('a step whose new programs the device refused, from the next replay on', async () => {
    const sizes = {batch: 1, keyHeads: 1, headDim: 10, valueDim: 10};
    const twins = await started({pattern: prefix(4).or(window(300)).and(causal()), cache: sizes}, 400);
    await twins.step();
    const {device} = backend();
    const original = device.createBindGroup;
    const said = spyOn(console, 'error');
    device.createBindGroup = (descriptor) => original.call(device, {...descriptor, entries: [...descriptor.entries].slice(1)});
    try {
      inParts(() => twins.replay!.run(twins.inputs()).dispose());
    } finally {
      delete (device as Partial<GPUDevice>).createBindGroup;
    }
    // What the compiler says comes later.
    for (let i = 0; i < 200 && said.calls.count() === 0; i++) await new Promise((resolve) => setTimeout(resolve, 25));
    expect(said).toHaveBeenCalled();
    expect(refusal(() => twins.replay!.run(twins.inputs())).message).toMatch(/SparseAttention.*an error of the WebGPU device/);
    takeUncapturedErrors();
    twins.dispose();
  });
});

describe('on a backend that has done nothing else, between replays', () => {
  // Scratch belongs to the device, and other specs have had more.
  onSecondBackend();

  it('scratch may grow for a step after another one', async () => {
    const pattern = prefix(4).or(window(300)).and(causal());
    const random = (heads: number, tokens: number, seed: number): tf.Tensor4D =>
      tf.randomUniform([1, heads, tokens, 8], -1, 1, 'float32', seed);
    const make = (): KvCache[] => [2, 40].map((keyHeads) => new KvCache(pattern, {keyHeads, headDim: 8}));
    const [captured, plain] = [make(), make()];
    const run = ([few, many]: KvCache[], {x, y}: tf.NamedTensorMap): tf.Tensor4D[] => [
      few!.attend(x as tf.Tensor4D, x as tf.Tensor4D, x as tf.Tensor4D),
      many!.attend(y as tf.Tensor4D, y as tf.Tensor4D, y as tf.Tensor4D),
    ];
    for (const caches of [captured, plain]) run(caches, {x: random(2, 320, 1), y: random(40, 320, 2)});
    const given = {x: random(2, 1, 3), y: random(40, 1, 4)};
    const replay = await capture((inputs: tf.NamedTensorMap) => run(captured, inputs), given);
    let outputs: tf.Tensor[] = [];
    const made = await madeBy(async () => void (outputs = inParts(() => replay.run(given))));
    expect(made).toContain('buffer scratch');
    expect(await outputsOf(outputs)).toEqual(await outputsOf(inParts(() => run(plain, given))));
    replay.dispose();
    for (const cache of [...captured, ...plain]) cache.dispose();
  });
});
