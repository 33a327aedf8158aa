import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {gelu, layerNorm, silu} from '../../src/index.js';
import {expectWithin, mulberry32} from '../oracle.js';
import {anyNorm, expectNorm, specifyOps, type RandomNorm} from '../support/op_cases.js';
import {specifyOpNodes} from '../support/op_nodes.js';
import {normOracle} from '../support/op_oracle.js';

const ALL = {epsilon: 1e-5, gamma: true, beta: true, residual: true, withSum: true, far: 0, seed: 1} as const;
/** Relative to the largest number. */
const LIMIT = 2e-6;

async function kernelsOf(body: () => tf.Tensor | tf.Tensor[]): Promise<string[]> {
  const {kernels} = await tf.profile(() => tf.tidy(body));
  return kernels.map(({name}) => name);
}

describe('norms and activations on WebGPU:', () => {
  // A run compiles up to four pipelines.
  specifyOps(LIMIT, 6);

  // All numbers of lanes and registers: rows of one element and more, in fours and one by one.
  for (const width of [1, 3, 4, 7, 96, 257, 768, 1000, 1027, 16384])
    it(`layerNorm of rows of ${width}`, () => expectNorm({...ALL, name: 'layerNorm', rows: width > 2000 ? 3 : 37, width}, LIMIT));
  for (const width of [768, 1027])
    it(`rmsNorm of rows of ${width}`, () => expectNorm({...ALL, name: 'rmsNorm', beta: false, rows: 37, width}, LIMIT));

  it('rows far from zero, whose mean has few digits', () =>
    fc.assert(
      fc.asyncProperty(anyNorm(fc.constantFrom(7, 64, 300)), (given) =>
        // What is added would round the sum, and the gradient of what is nearly constant is large.
        expectNorm({...given, name: 'layerNorm', far: 1000, residual: false}, 4e-6),
      ),
      {numRuns: 3},
    ));

  it('more rows than a dimension of the grid has workgroups', async () => {
    const of = {centred: true, rows: 65_600, width: 33, epsilon: 1e-5};
    const random = mulberry32(4);
    const values = Float32Array.from({length: of.rows * of.width}, () => 2 * random() - 1);
    const x = tf.tensor2d(values, [of.rows, of.width]);
    const output = layerNorm(x);
    expectWithin(await output.data(), normOracle(of, {x: values}).output, 1e-5);
    tf.dispose([x, output]);
  });

  it('gradients of more rows than a row of the grid has workgroups', () =>
    expectNorm({...ALL, name: 'layerNorm', rows: 32_800, width: 33, residual: false, withSum: false}, 1e-5));

  it('rows that do not fit into registers, by TensorFlow.js ops', async () => {
    const given: RandomNorm = {...ALL, name: 'layerNorm', rows: 2, width: 16_385};
    await expectNorm(given, 2e-5);
  });

  it('take one kernel each, and gradients one more', async () => {
    const [x, vector] = [tf.ones([5, 8]), tf.ones([8])];
    expect(await kernelsOf(() => layerNorm(x, vector, vector, {residual: x}))).toEqual(['SplatLayerNorm']);
    expect(await kernelsOf(() => gelu(x))).toEqual(['SplatGelu']);
    expect(await kernelsOf(() => silu(x))).toEqual(['SplatSilu']);
    const all = await kernelsOf(() => tf.grads((a, b, c) => layerNorm(a!, b, c))([x, vector, vector]));
    expect(all.filter((name) => /^Splat/.test(name))).toEqual(['SplatLayerNorm', 'SplatLayerNormGradient']);
    tf.dispose([x, vector]);
  });

  it('sum columns in the same order each time', async () => {
    const [x, gamma] = [tf.randomNormal([1500, 20], 0, 1, 'float32', 1), tf.randomNormal([20], 0, 1, 'float32', 2)];
    const gradient = (): tf.Tensor => tf.grad((at: tf.Tensor) => tf.sum(tf.square(layerNorm(x, at))))(gamma);
    const [first, second] = [gradient(), gradient()];
    expectWithin(await first.data(), await second.data(), 0);
    tf.dispose([x, gamma, first, second]);
  });

  it('keep the laws of launches, and leave no tensor behind a kernel, while both are checked', async () => {
    const log = spyOn(console, 'log');
    tf.env().set('SPLAT_DEBUG', 4);
    tf.env().set('IS_TEST', true);
    try {
      const [x, vector] = [tf.ones([70, 8]), tf.ones([8])];
      const gradients = tf.grads((a, b, c) => gelu(layerNorm(a!, b, c, {residual: x})))([x, vector, vector]);
      expect(gradients.map(({shape}) => shape)).toEqual([[70, 8], [8], [8]]);
      await gradients[0]!.data();
      tf.dispose([x, vector, gradients]);
      const printed = log.calls.allArgs().flat().join('\n');
      for (const name of ['SplatLayerNorm', 'SplatLayerNorm.chunkSums', 'SplatGelu.erf.gradient']) expect(printed).toContain(name);
    } finally {
      tf.env().set('SPLAT_DEBUG', 0);
      tf.env().set('IS_TEST', false);
    }
  });

  it('leave a backend of another name as they find it', async () => {
    const x = tf.tensor2d([[1, 2, 3, 4]]);
    const usual = await layerNorm(x).data();
    tf.copyRegisteredKernels('webgpu', 'elsewhere');
    tf.registerBackend('elsewhere', () => tf.findBackend('webgpu'));
    await tf.setBackend('elsewhere');
    expectWithin(await layerNorm(tf.tensor2d([[1, 2, 3, 4]])).data(), usual, 0);
    await tf.setBackend('webgpu');
    x.dispose();
  });
});

describe('nodes of norms and activations on WebGPU', () => specifyOpNodes());
