import * as tf from '@tensorflow/tfjs-core';
import {compile, type Problem} from '../../../src/pure.js';
import {causal, globalTokens, slidingWindow, strided, type Pattern} from '../../../src/index.js';
import {expectAttention, randomInputs, type AttentionInputs} from '../../oracle.js';
import {host, runCompiled, tensorsOf} from '../../support/attend.js';
import {inHalves} from '../../support/halves.js';
import {problemFor} from '../../support/plans.js';

const PATTERN = slidingWindow({left: 30, right: 9}).or(globalTokens(2));

async function expectHalves(pattern: Pattern, problem: Problem, inputs: AttentionInputs, what: string): Promise<void> {
  for (const implementation of ['fused', 'dense'] as const) {
    const compiled = compile(pattern, problem, host().limits, {precision: 'float16', implementation});
    const output = runCompiled(compiled, tensorsOf(inputs), 1 / Math.sqrt(problem.headDim));
    await expectAttention(output, inHalves(inputs), (q, k) => pattern.attends(q, k, problem), {}, `${what}, ${implementation}`);
  }
}

describe('float16 storage on WebGPU', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  // Columns of eight halves, columns staged as floats, several chunks of keys and values, rows padded with zeros.
  for (const [headDim, valueDim] of [
    [16, 16],
    [64, 64],
    [8, 5],
    [33, 31],
    [80, 80],
    [128, 96],
    [96, 136],
    [256, 256],
  ] as const) {
    it(`computes in float32 what the halves say: ${headDim} → ${valueDim} features`, async () => {
      const problem = problemFor({queryLength: 77, keyLength: 90, queryOffset: 13}, {headDim, valueDim, heads: 2, batch: 2});
      await expectHalves(PATTERN, problem, randomInputs(problem, headDim), `${headDim} → ${valueDim}`);
    });
  }

  it('in two passes, the second continuing from the first', async () => {
    const pattern = strided({stride: 9})
      .or(slidingWindow({left: 12}))
      .and(causal());
    const problem = problemFor({queryLength: 131, keyLength: 131, queryOffset: 0}, {heads: 3});
    await expectHalves(pattern, problem, randomInputs(problem), 'two passes');
  });

  it('takes floats past the largest half as the largest, and keeps a NaN in its rows', async () => {
    const problem = problemFor({queryLength: 40, keyLength: 40, queryOffset: 0}, {headDim: 8, valueDim: 8});
    const inputs = randomInputs(problem);
    inputs.value[8 * 20] = 1e9;
    inputs.value[8 * 21] = -7e4;
    inputs.key[8 * 39] = NaN;
    const pattern = causal();
    const compiled = compile(pattern, problem, host().limits, {precision: 'float16', implementation: 'fused'});
    const output = runCompiled(compiled, tensorsOf(inputs), 0.3);
    const found = await output.data();
    expect([...Array(40).keys()].filter((row) => found.slice(8 * row, 8 * row + 8).some(Number.isNaN))).toEqual([39]);
    const clamped = {...inputs, key: inputs.key.map((x) => (Number.isNaN(x) ? 0 : x)), value: Float32Array.from(inputs.value)};
    clamped.value[8 * 20] = 65504;
    clamped.value[8 * 21] = -65504;
    const rows = tf.slice(output, [0, 0, 0, 0], [1, 1, 39, 8]);
    const first = {...inHalves(clamped), queryLength: 39, query: inHalves(clamped).query.slice(0, 8 * 39)};
    await expectAttention(rows, first, (q, k) => pattern.attends(q, k, problem), {scale: 0.3}, 'large values');
  });
});
