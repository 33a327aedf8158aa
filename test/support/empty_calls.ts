// Specs of calls in which something is of size 0, for every backend. Importers need the gradients of tf ops: '@tensorflow/tfjs'.
import * as tf from '@tensorflow/tfjs-core';
import {causal, full, mergeAttention, sparseAttention, sparseAttentionWithAux} from '../../src/index.js';
import {GroupedQueryAttention, MultiHeadAttention} from '../../src/layers/index.js';
import {spell, type DenseCase} from './dense_cases.js';
import {trained} from './gradient_cases.js';
import {BASE, callCase, type OptionCase, type Tensors} from './option_cases.js';

const SMALL: OptionCase = {...BASE, queryLength: 3, keyLength: 4, queryOffset: 1, headDim: 4, valueDim: 3, implementation: 'auto'};
const OPTIONS: Partial<DenseCase> = {lengths: true, segments: true, alibi: true, relative: 'heads', sinks: true, softcap: 1.5};
const MASKED: Partial<DenseCase> = {pattern: null, bias: [true, true, true, true], mask: [true, true, true, true]};
const EMPTY: readonly (readonly [string, Partial<OptionCase>])[] = [
  ['no sequence', {batch: 0}],
  ['no query', {queryLength: 0}],
  ['no key', {keyLength: 0}],
  ['no value feature', {valueDim: 0}],
  ['no head', {keyHeads: 0}],
  ['no query, one head of rank 3', {queryLength: 0, rank3: true, keyHeads: 1, group: 1}],
  ['no key, heads after rows', {keyLength: 0, layout: 'blhd'}],
  ['no sequence of wide features', {batch: 0, headDim: 300}],
];

/** Inside `describe`, with the backend to test active in each spec. */
export function specifyEmptyCalls(): void {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const [name, changes] of EMPTY)
    it(`give zeros and gradients of zeros, for ${name}`, async () => {
      for (const more of [{}, OPTIONS, MASKED]) {
        const given: OptionCase = {...SMALL, ...more, ...changes};
        // The pattern of a relative bias needs an entry.
        if (given.relative !== null && given.queryLength + given.keyLength === 0) continue;
        const spelled = spell(given);
        const tensors = spelled.tensors as unknown as Tensors;
        const shape = [...tensors['query']!.shape.slice(0, -1), given.valueDim];
        const names = trained(spelled);
        const given_ = names.map((role) => tensors[role]!);
        const call = (...xs: tf.Tensor[]): tf.Tensor =>
          callCase(given, spelled, {...tensors, ...Object.fromEntries(names.map((role, i) => [role, xs[i]!]))}).output;
        const output = call(...given_);
        expect(output.shape).toEqual(shape);
        expect((await output.data()).every((x) => x === 0)).toBeTrue();
        const gradients = tf.grads(call)(given_, tf.ones(shape));
        for (const [i, gradient] of gradients.entries()) {
          expect(gradient.shape).withContext(names[i]!).toEqual(given_[i]!.shape);
          expect((await gradient.data()).every((x) => x === 0))
            .withContext(names[i]!)
            .toBeTrue();
        }
      }
    });

  it('take a step of an optimizer', async () => {
    const weights = tf.variable(tf.ones([4, 4]));
    const x = tf.ones([3, 4]) as tf.Tensor2D;
    for (const shape of [
      [0, 1, 3, 4],
      [1, 1, 0, 4],
    ]) {
      const empty = tf.zeros(shape);
      const step = (): number => {
        const projected = tf.reshape(tf.matMul(x, weights as unknown as tf.Tensor2D), [1, 1, 3, 4]);
        const query = shape[0] === 0 ? tf.slice(projected, 0, 0) : projected;
        const output = sparseAttention(query, empty, empty, causal(), {queryOffset: 0});
        return tf.sum(
          tf.concat([tf.reshape(output, [-1, 4]), tf.matMul(x, weights as unknown as tf.Tensor2D)]),
        ) as unknown as number;
      };
      tf.train.sgd(0.1).minimize(step as unknown as () => tf.Scalar);
    }
    // Each step takes .1 of the three rows of ones, and nothing of the attention.
    for (const weight of await weights.data()) expect(weight).toBeCloseTo(1 - 2 * 0.3, 6);
    weights.dispose();
  });

  it('give the sinks as log-sum-exp of no keys, and their gradient', async () => {
    const [q, none] = [tf.ones([2, 2, 3, 4]), tf.zeros([2, 2, 0, 4])];
    const sums = (sinks?: tf.Tensor): tf.Tensor =>
      sparseAttentionWithAux(q, none, none, full(), {queryOffset: 0, ...(sinks && {sinks})}).logSumExp;
    expect(Array.from(await sums().data())).toEqual(Array(12).fill(-Infinity));
    const sinks = tf.tensor1d([0.5, -1]);
    expect(Array.from(await sums(sinks).data())).toEqual([0.5, 0.5, 0.5, -1, -1, -1, 0.5, 0.5, 0.5, -1, -1, -1]);
    expect(
      Array.from(
        await tf
          .grad((x: tf.Tensor) => sums(x))(sinks)
          .data(),
      ),
    ).toEqual([6, 6]);
  });

  it('merge with parts that hold something', async () => {
    const [q, none] = [tf.randomUniform([1, 2, 3, 4], -1, 1, 'float32', 1), tf.zeros([1, 2, 0, 4])];
    const keys = tf.randomUniform([1, 2, 5, 4], -1, 1, 'float32', 2);
    const merged = (query: tf.Tensor): tf.Tensor => {
      const parts = [
        sparseAttentionWithAux(query as tf.Tensor4D, keys as tf.Tensor4D, keys as tf.Tensor4D, full()),
        sparseAttentionWithAux(query as tf.Tensor4D, none as tf.Tensor4D, none as tf.Tensor4D, full(), {queryOffset: 0}),
      ];
      return mergeAttention(
        parts.map(({output}) => output),
        parts.map(({logSumExp}) => logSumExp),
      ).output;
    };
    const alone = (query: tf.Tensor): tf.Tensor =>
      sparseAttention(query as tf.Tensor4D, keys as tf.Tensor4D, keys as tf.Tensor4D, full());
    expect(await merged(q).data()).toEqual(await alone(q).data());
    const [found, expected] = [merged, alone].map((f) => tf.grad((x: tf.Tensor) => tf.sum(f(x)))(q));
    const difference = await tf.max(tf.abs(tf.sub(found!, expected!))).data();
    expect(difference[0]).toBeLessThan(1e-6);
    const nothing = tf.zeros([0, 2, 3, 4]);
    const {output, logSumExp} = mergeAttention([nothing, nothing], [tf.zeros([0, 2, 3]), tf.zeros([0, 2, 3])]);
    expect([output.shape, logSumExp.shape]).toEqual([
      [0, 2, 3, 4],
      [0, 2, 3],
    ]);
    const gradient = tf.grad((x: tf.Tensor) => mergeAttention([x, nothing], [tf.zeros([0, 2, 3]), tf.zeros([0, 2, 3])]).output)(
      nothing,
    );
    expect(gradient.shape).toEqual([0, 2, 3, 4]);
  });

  it('pass through layers', () => {
    for (const layer of [
      new MultiHeadAttention({numHeads: 2, keyDim: 3}),
      new GroupedQueryAttention({headDim: 3, numQueryHeads: 2, numKeyValueHeads: 1}),
    ]) {
      layer.apply(tf.ones([1, 4, 6]));
      const empty = tf.zeros([0, 4, 6]);
      expect((layer.call(empty, {}) as tf.Tensor).shape).toEqual([0, 4, 6]);
      expect(tf.grad((x: tf.Tensor) => layer.call(x, {}) as tf.Tensor)(empty).shape).toEqual([0, 4, 6]);
    }
  });
}
