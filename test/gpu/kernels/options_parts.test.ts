import * as tf from '@tensorflow/tfjs-core';
import {compile, compileMaskTensor, parsePattern, type Compiled} from '../../../src/pure.js';
import {full, sparseAttention, sparseAttentionWithAux} from '../../../src/index.js';
import {oracle, randomInputs} from '../../oracle.js';
import {compileInParts, host, poison, tensorsOf} from '../../support/attend.js';
import {spell} from '../../support/dense_cases.js';
import {BASE, expectLaunched, featuresOfCase, launchCase, problemOfCase, type OptionCase} from '../../support/option_cases.js';
import {problemFor} from '../../support/plans.js';

/** Fills the tail of a plan's schedule with NaN, but for the mask bits that the plan brings itself. */
function poisonTail(compiled: Compiled): void {
  const {device} = host();
  const {maskBits, maskPairs, pairs} = compiled.tail;
  const begin = 2 * (compiled.maskShape === null ? maskBits + maskPairs : maskBits);
  const code = `
@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x + ${begin}u < ${2 * pairs}u) { words[id.x + ${begin}u] = 0x7fc00000u; }
}`;
  const pipeline = device.createComputePipeline({layout: 'auto', compute: {module: device.createShaderModule({code})}});
  const {schedule} = host().residents.get(compiled)!;
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{binding: 0, resource: {buffer: schedule}}],
  });
  host().flush();
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup);
  pass.dispatchWorkgroups(Math.max(1, Math.ceil((2 * pairs - begin) / 64)));
  pass.end();
  device.queue.submit([encoder.finish()]);
}

const MANY: Partial<OptionCase> = {
  ...{lengths: true, segments: true, alibi: true, relative: 'heads', sinks: true, softcap: 1.2, dropout: 0.3},
  ...{layout: 'blhd', valueDim: 5},
};

describe('on WebGPU, options of rows in parts', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const long: OptionCase = {...BASE, group: 1, queryLength: 40, keyLength: 900, queryOffset: 860};
  const TWO = 'slidingWindow(left: 450) or strided(stride: 2)';
  const CASES: readonly (readonly [string, OptionCase, readonly boolean[]])[] = [
    ['lengths', {...long, lengths: true, pattern: 'full()', batch: 4, keyHeads: 1}, [true]],
    ['sinks', {...long, sinks: true, pattern: 'full()'}, [true]],
    ['sinks, both passes cut', {...long, sinks: true, pattern: TWO, keyLength: 1300, queryOffset: 1260}, [true, true]],
    ['sinks, lengths and segments, some rows cut', {...long, ...MANY, pattern: 'globalTokens(5)', queryOffset: 0, seed: 4}, [true]],
    [
      'many, both passes cut',
      {...long, ...MANY, pattern: TWO, keyLength: 1300, queryOffset: 1260, group: 2, seed: 9},
      [true, true],
    ],
  ];
  for (const [what, given, cut] of CASES)
    it(`survive the merges: ${what}`, async () => {
      const spelled = spell(given);
      const options = {features: featuresOfCase(given, spelled), aux: 'logSumExp' as const};
      const compiled = compileInParts(parsePattern(given.pattern!), problemOfCase(given), options);
      expect(compiled.plan.passes.map(({mergeBegin, mergeEnd}) => mergeEnd > mergeBegin)).toEqual([...cut]);
      await expectLaunched(launchCase(compiled, given, spelled), given, spelled, what);
    });
});

describe('on WebGPU, memory that others left behind', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const kind of ['fused', 'dense', 'mask'] as const)
    it(`never reaches attention with options, ${kind}`, async () => {
      const given: OptionCase = {
        ...{...BASE, ...MANY, pattern: kind === 'mask' ? null : 'causal() or prefix(3)'},
        ...(kind === 'mask' && {mask: [true, false, true, true]}),
      };
      const spelled = spell(given);
      const options = {features: featuresOfCase(given, spelled), aux: 'logSumExp' as const};
      const [problem, {limits}] = [problemOfCase(given), host()];
      const compiled =
        kind === 'mask'
          ? compileMaskTensor(problem, limits, spelled.tensors.mask!.shape, options)
          : compile(parsePattern(given.pattern!), problem, limits, {...options, implementation: kind});
      const first = launchCase(compiled, given, spelled);
      const [output, logSumExp] = [await first.output.data(), await first.logSumExp.data()];
      tf.dispose([first.output, first.logSumExp]);
      poisonTail(compiled);
      await poison(4 * output.length, 4 * logSumExp.length, 8 * logSumExp.length);
      const second = launchCase(compiled, given, spelled);
      expect(await second.output.data()).toEqual(output);
      expect(await second.logSumExp.data()).toEqual(logSumExp);
      await expectLaunched(second, given, spelled, kind);
    });
});

describe('on WebGPU, dropout', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const [ROWS, KEYS] = [1024, 16];
  /** Which of [2, 2, ROWS, KEYS] pairs are kept: all scores are 0, and values the unit vectors. */
  async function kept(dropout: number, seed: number): Promise<Float32Array> {
    const query = tf.zeros([2, 2, ROWS, 16]);
    const key = tf.zeros([2, 2, KEYS, 16]);
    const value = tf.tile(tf.reshape(tf.eye(KEYS), [1, 1, KEYS, KEYS]), [2, 2, 1, 1]);
    const {output, logSumExp} = sparseAttentionWithAux(query, key, value, full(), {dropout, seed});
    expect((await logSumExp.data()).every((sum) => Math.abs(sum - Math.log(KEYS)) < 1e-6)).toBeTrue();
    const found = await tf.mul(output, KEYS * (1 - dropout)).data<'float32'>();
    expect(found.every((x) => x === 0 || Math.abs(x - 1) < 1e-6)).toBeTrue();
    return found.map(Math.round);
  }

  /** Correlation of the kept pairs with those `distance` further on, in units of its standard deviation. */
  function correlation(kept: Float32Array, rate: number, distance: number): number {
    let sum = 0;
    for (let i = 0; i + distance < kept.length; i++) sum += (kept[i]! - (1 - rate)) * (kept[i + distance]! - (1 - rate));
    return sum / (rate * (1 - rate) * Math.sqrt(kept.length - distance));
  }

  it('keeps the share that it should, and tells neighbours nothing', async () => {
    const pairs = 4 * ROWS * KEYS;
    for (const rate of [0.1, 0.5, 0.9]) {
      for (const seed of [0, 1, 2 ** 31, 2 ** 32 - 1]) {
        const found = await kept(rate, seed);
        const deviation = Math.sqrt(rate * (1 - rate) * pairs);
        const sum = found.reduce((total, x) => total + x, 0);
        expect(Math.abs(sum - (1 - rate) * pairs))
          .withContext(`rate ${rate}, seed ${seed}`)
          .toBeLessThan(4 * deviation);
        // The next key, the one after, the next row, its next key, the next head, the next sequence.
        for (const distance of [1, 2, KEYS, KEYS + 1, ROWS * KEYS, 2 * ROWS * KEYS])
          expect(Math.abs(correlation(found, rate, distance)))
            .withContext(`rate ${rate}, seed ${seed}, ${distance} pairs apart`)
            .toBeLessThan(4.5);
      }
    }
  });

  it('depends on the seed alone, and neighbouring seeds have nothing in common', async () => {
    const [a, again, b] = [await kept(0.5, 41), await kept(0.5, 41), await kept(0.5, 42)];
    expect(again).toEqual(a);
    const same = a.reduce((count, x, i) => count + (x === b[i] ? 1 : 0), 0);
    expect(Math.abs(same - a.length / 2)).toBeLessThan(4 * Math.sqrt(a.length / 4));
    const ones = tf.ones([1, 2, 64, 16]);
    const call = (): tf.Tensor => sparseAttention(ones, ones, ones, full(), {dropout: 0.5});
    expect(await call().data())
      .withContext('a new seed for every call')
      .not.toEqual(await call().data());
  });

  it('of rate 0 is none', async () => {
    const tensors = tensorsOf(randomInputs(problemFor({queryLength: 40, keyLength: 40, queryOffset: 0})));
    const plain = await sparseAttention(...tensors, full()).data();
    expect(await sparseAttention(...tensors, full(), {dropout: 0, seed: 5}).data()).toEqual(plain);
  });

  it('changes nothing on average', async () => {
    const problem = problemFor({queryLength: 40, keyLength: 40, queryOffset: 0});
    const inputs = randomInputs(problem);
    const tensors = tensorsOf(inputs);
    const [rate, seeds] = [0.4, 200];
    let sum: tf.Tensor = tf.zeros([1, 1, 40, 16]);
    for (let seed = 0; seed < seeds; seed++) sum = tf.add(sum, sparseAttention(...tensors, full(), {dropout: rate, seed}));
    const mean = await tf.div(sum, seeds).data();
    const expected = oracle(inputs, () => true);
    // Var Σ p·keep/(1 − r)·v = r/(1 − r) Σ p²v², which the same attention over p·v would give; p is near 1/40 here.
    const squares = oracle({...inputs, value: inputs.value.map((x) => x * x)}, () => true);
    const deviations = expected.map((x, i) => Math.abs(mean[i]! - x) / Math.sqrt(((rate / (1 - rate)) * squares[i]!) / 40 / seeds));
    expect(Math.max(...deviations)).toBeLessThan(6);
    const root = Math.sqrt(deviations.reduce((total, x) => total + x * x, 0) / deviations.length);
    expect(root).toBeGreaterThan(0.8);
    expect(root).toBeLessThan(1.3);
  });
});
