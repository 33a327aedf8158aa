import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {full} from '../../../src/index.js';
import {PLAIN} from '../../../src/pure.js';
import {launch, type CallTensors} from '../../../src/runtime/launch/launch.js';
import {broadcastBias, randomInputs} from '../../oracle.js';
import {compileInParts, host, tensorsOf} from '../../support/attend.js';
import {expectFar, expectFarAttention, FAR_CASES, withValues} from '../../support/far_cases.js';
import {expectFarCaches, expectFarMerges} from '../../support/far_parts.js';
import {problemFor} from '../../support/plans.js';

describe('on WebGPU, numbers near the ends of float32', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('survive the merge of rows in parts: values, biases, sinks', async () => {
    const problem = problemFor({queryLength: 40, keyLength: 900, queryOffset: 860}, {batch: 1, heads: 2});
    const inputs = withValues(randomInputs(problem), [1, 3e38]);
    const compiled = compileInParts(full(), problem, {features: {...PLAIN, bias: true, sinks: true}, aux: 'logSumExp'});
    expect(compiled.plan.passes.some(({mergeBegin, mergeEnd}) => mergeEnd > mergeBegin)).toBeTrue();
    const [query, key, value] = tensorsOf(inputs);
    const biases = [() => -3e38, (k: number) => (k % 3 === 0 ? -3.1e38 : -3e38 - 1e37 * (k % 2)), () => 3e38, () => -Infinity];
    for (const [i, biasOf] of biases.entries()) {
      const data = Float32Array.from({length: 900}, (_, k) => biasOf(k));
      const sinks = [-3e38, i === 2 ? 3e38 : -Infinity];
      const tensors: CallTensors = {query, key, value, bias: tf.tensor4d(data, [1, 1, 1, 900]), sinks: tf.tensor1d(sinks)};
      const made = launch(host(), compiled, tensors, {scale: 0.25, aux: 'logSumExp'});
      const [output, , logSumExp] = made.map((info) => tf.engine().makeTensorFromTensorInfo(info));
      const says = {scale: 0.25, bias: broadcastBias(data, [1, 1, 1, 900]), sinks: Float32Array.from(sinks)};
      await expectFarAttention({output: output!, logSumExp: logSumExp!}, inputs, () => true, says, `bias ${i} in parts`);
    }
  });

  it('are read from halves, too: biases, sinks, slopes and scales', async () => {
    const names = ['biases', 'sinks', 'slopes'] as const;
    for (const given of names.flatMap((name) => FAR_CASES[name]!)) await expectFar(given, {precision: 'float16'});
    const scales = [
      {what: 'a tiny scale of halves', scale: -1e-8, query: 6e4, key: 6e4},
      {what: 'a scale too small for halves', scale: 1e-40},
      {what: 'a huge scale of halves', scale: 1e12, query: 1e-6, key: 1e-6},
    ];
    for (const given of scales) await expectFar(given, {precision: 'float16'});
  });

  it('come out of a cache as out of a call', () => expectFarCaches({}));

  it('come out of a cache of halves as out of a call', () => expectFarCaches({precision: 'float16'}));

  it('are merged: outputs, log-sum-exps and their gradients', () => expectFarMerges());
});
