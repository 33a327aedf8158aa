// Specs of graph models with nodes of norms and activations that every backend has to pass.
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import * as tf from '@tensorflow/tfjs-core';
import type {AttrValue, NodeDef} from '../../src/model/graph/graph.js';
import '../../src/model/index.js';
import {SplatError} from '../../src/support/index.js';
import {expectWithin, mulberry32} from '../oracle.js';
import {handMade, type Constant} from './hand_made_graph.js';
import {ACTIVATION_ORACLES, normOracle} from './op_oracle.js';

const node = (name: string, op: string, input: string[] = [], attr: Record<string, AttrValue> = {}): NodeDef => ({
  name,
  op,
  input,
  attr: {T: {type: 'DT_FLOAT'}, ...attr},
});
const [YES, NO]: AttrValue[] = [{b: true}, {b: false}];
const ALL = {epsilon: {f: 1e-3}, hasGamma: YES, hasBeta: YES, hasResidual: YES, withSum: YES} as Record<string, AttrValue>;

/** x [2, 3, 8] and r of the same shape through the given nodes. */
function modelOf(nodes: readonly NodeDef[], constants: Record<string, Constant>, outputs: readonly string[]) {
  return loadGraphModelSync(handMade([node('x', 'Placeholder'), node('r', 'Placeholder'), ...nodes], constants, outputs));
}

const random = mulberry32(3);
const draw = (count: number): number[] => Array.from({length: count}, () => Math.fround(2 * random() - 1));
const [x, r, gamma, beta] = [draw(48), draw(48), draw(8), draw(8)];
const constants = {g: {shape: [8], values: gamma}, b: {shape: [8], values: beta}};
const inputs = (): Record<string, tf.Tensor> => ({x: tf.tensor(x, [2, 3, 8]), r: tf.tensor(r, [2, 3, 8])});

/** Inside `describe`, with the backend to test active in each spec. */
export function specifyOpNodes(): void {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('run as a block of a transformer does, the sum going on beside the norm, in execute and executeAsync', async () => {
    const model = modelOf(
      [
        node('norm', 'SplatLayerNorm', ['x', 'g', 'b', 'r'], ALL),
        node('act', 'SplatGelu', ['norm'], {approximate: {s: btoa('tanh')}}),
        node('out', 'SplatRmsNorm', ['act', 'norm:1'], {epsilon: {f: 1e-6}, hasResidual: YES!}),
      ],
      constants,
      ['out'],
    );
    const first = normOracle({centred: true, rows: 6, width: 8, epsilon: 1e-3}, {x, gamma, beta, residual: r});
    const activated = first.output.map(ACTIVATION_ORACLES.tanh);
    const last = normOracle({centred: false, rows: 6, width: 8, epsilon: 1e-6}, {x: activated, residual: first.sum});
    const given = inputs();
    const start = tf.memory().numTensors;
    const output = model.execute(given) as tf.Tensor;
    const later = (await model.executeAsync(given)) as tf.Tensor;
    expect(tf.memory().numTensors).toBe(start + 2);
    for (const each of [output, later]) {
      expect(each.shape).toEqual([2, 3, 8]);
      expectWithin(await each.data(), last.output, 2e-5);
    }
    model.dispose();
  });

  it('run without gamma, beta and residual, and with each way to say how GELU is computed', async () => {
    const model = modelOf(
      [
        node('norm', 'SplatLayerNorm', ['x'], {epsilon: {f: 1e-3}, hasGamma: NO!}),
        node('erf', 'SplatGelu', ['norm'], {approximate: NO!}),
        node('tanh', 'SplatGelu', ['norm'], {approximate: YES!}),
        node('usual', 'SplatGelu', ['norm']),
        node('silu', 'SplatSilu', ['norm']),
      ],
      {},
      ['erf', 'tanh', 'usual', 'silu'],
    );
    const {output} = normOracle({centred: true, rows: 6, width: 8, epsilon: 1e-3}, {x});
    const found = model.execute({x: inputs()['x']!}, ['erf', 'tanh', 'usual', 'silu']) as tf.Tensor[];
    for (const [i, activation] of (['erf', 'tanh', 'erf', 'silu'] as const).entries())
      expectWithin(await found[i]!.data(), output.map(ACTIVATION_ORACLES[activation]), 1e-5, activation);
    model.dispose();
  });

  const wrong: [string, NodeDef, RegExp][] = [
    [
      'too few inputs',
      node('out', 'SplatLayerNorm', ['x'], {hasGamma: YES!}),
      /SplatLayerNorm node: found 1 inputs, expected 2, as/,
    ],
    ['too many', node('out', 'SplatRmsNorm', ['x', 'g']), /SplatRmsNorm node: found 2 inputs, expected 1, as/],
    [
      'a flag that is a number',
      node('out', 'SplatLayerNorm', ['x'], {hasGamma: {i: 1}}),
      /attribute hasGamma = 1, expected true or/,
    ],
    ['an epsilon below 0', node('out', 'SplatLayerNorm', ['x'], {epsilon: {f: -1}}), /option epsilon: found -1/],
    [
      'an unknown approximation',
      node('out', 'SplatGelu', ['x'], {approximate: {s: btoa('fast')}}),
      /option approximate: found .*fast/,
    ],
    ['two inputs of an activation', node('out', 'SplatSilu', ['x', 'r']), /SplatSilu node: found 2 inputs, expected one/],
  ];
  for (const [title, bad, message] of wrong)
    it(`refuse ${title}`, () => {
      const model = modelOf([bad], constants, ['out']);
      const given = inputs();
      const start = tf.memory().numTensors;
      expect(() => model.execute(given)).toThrowError(SplatError, message);
      expect(tf.memory().numTensors).toBe(start);
      model.dispose();
    });
}
