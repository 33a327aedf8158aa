import * as tf from '@tensorflow/tfjs-core';
import {causal, full, globalTokens, slidingWindow, strided, type Pattern} from '../../../src/index.js';
import type {ResolvedShape} from '../../../src/pattern/index.js';
import {checkPlan} from '../../../src/plan/index.js';
import {expectAttention, randomInputs} from '../../oracle.js';
import {backend, compileInParts, runCompiled, tensorsOf} from '../../support/attend.js';
import {VARIANTS} from '../../support/goldens.js';
import {problemFor} from '../../support/plans.js';

describe('rows in parts on WebGPU', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const local = slidingWindow({left: 450});
  const odd = strided({stride: 9}).and(slidingWindow({left: 550}));
  const atEnd = (keyLength: number): ResolvedShape => ({queryLength: 60, keyLength, queryOffset: keyLength - 60});
  /** Which passes are cut, beside what is attended. */
  const CASES: readonly (readonly [string, Pattern, ResolvedShape, readonly boolean[]])[] = [
    ['one pass', full(), atEnd(1300), [true]],
    ['rows of every length, the empty one too', causal(), {queryLength: 1100, keyLength: 500, queryOffset: -600}, [true]],
    ['some of the rows only', globalTokens(5), {...atEnd(1300), queryOffset: 0}, [true]],
    ['the first of two passes', local.or(odd), atEnd(1300), [true, false]],
    ['both passes', local.or(strided({stride: 2})), atEnd(1300), [true, true]],
    ['all of three passes', local.or(strided({stride: 2})).or(strided({stride: 3})), atEnd(3000), [true, true, true]],
  ];
  for (const [what, pattern, shape, cut] of CASES) {
    it(`are joined again: ${what}`, async () => {
      const problem = problemFor(shape, {heads: 2});
      const compiled = compileInParts(pattern, problem);
      checkPlan(compiled.plan);
      expect(compiled.plan.passes.map(({mergeBegin, mergeEnd}) => mergeEnd > mergeBegin)).toEqual([...cut]);
      const inputs = randomInputs(problem);
      const output = runCompiled(compiled, tensorsOf(inputs), 0.25);
      await expectAttention(output, inputs, (q, k) => pattern.attends(q, k, shape), {}, what);
    });
  }

  it('keep a NaN in the rows that attend to it', async () => {
    const problem = problemFor({queryLength: 40, keyLength: 500, queryOffset: 0});
    const inputs = randomInputs(problem);
    inputs.key[300 * 16] = NaN;
    const pattern = globalTokens(3);
    const output = await runCompiled(compileInParts(pattern, problem), tensorsOf(inputs), 0.25).data();
    const rows = [...Array(40).keys()].filter((row) => output.slice(16 * row, 16 * row + 16).some(Number.isNaN));
    expect(rows).toEqual([0, 1, 2]);
  });
});

describe('every program of the goldens', () => {
  // What only other devices enable, test/unit/long/wgsl_valid.test.ts shows to Dawn without a device.
  for (const {name, program} of VARIANTS.filter(
    ({program: {code}}) => !code.startsWith('enable') && !code.startsWith('diagnostic'),
  )) {
    it(`is WGSL that the device takes: ${name}`, async () => {
      const {device} = backend();
      device.pushErrorScope('validation');
      const info = await device.createShaderModule({label: name, code: program.code}).getCompilationInfo();
      expect(await device.popErrorScope()).toBeNull();
      expect(info.messages.map(({lineNum, message}) => `${lineNum}: ${message}`)).toEqual([]);
    });
  }
});
