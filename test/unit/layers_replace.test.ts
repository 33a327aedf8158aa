import * as tf from '@tensorflow/tfjs';
import {GroupedQueryAttention, MultiHeadAttention, replaceAttention} from '../../src/layers/index.js';
import {causal, full, slidingWindow} from '../../src/pattern/index.js';
import {refusal} from '../support/errors.js';
import {tensorOf, tokens} from '../support/keras_attention.js';

/** A layer of a user, under a name that TensorFlow.js need not know. */
class LocalAttention extends tf.layers.Layer {
  static readonly className = 'LocalAttention';
}

const symbolic = (tensors: unknown): tf.SymbolicTensor => tensors as tf.SymbolicTensor;
const numbersOf = (model: tf.LayersModel, x: tf.Tensor): number[] => Array.from((model.predict(x) as tf.Tensor).dataSync());

/** first, a model with second in it twice, a stranger, third in a wrapper. */
function nested(): tf.LayersModel {
  const inner = tf.sequential({
    name: 'block',
    layers: [new MultiHeadAttention({numHeads: 1, keyDim: 2, name: 'second', inputShape: [6, 4]})],
  });
  const third = new MultiHeadAttention({numHeads: 1, keyDim: 2, name: 'third', pattern: causal()});
  const input = tf.input({shape: [6, 4]});
  const layers = [
    new GroupedQueryAttention({headDim: 2, numQueryHeads: 2, numKeyValueHeads: 1, name: 'first'}),
    ...[inner, inner, new LocalAttention({name: 'local'}), tf.layers.reshape({targetShape: [2, 3, 4]})],
    tf.layers.timeDistributed({layer: third}),
  ];
  return tf.model({inputs: input, outputs: layers.reduce((x, layer) => symbolic(layer.apply(x)), input), name: 'nested'});
}

describe('replaceAttention', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('gives every attention layer a pattern, keeps weights, and says what it did and what it left', () => {
    const model = nested();
    const x = tensorOf(tokens([1, 6, 4], 1));
    const before = numbersOf(model, x);
    const weights = model.getWeights().map((weight) => Array.from(weight.dataSync()));
    const report = replaceAttention(model, 'slidingWindow(left: 1)');
    expect(report.replaced.map(({name, from, to}) => [name, String(from), String(to)])).toEqual([
      ['first', 'full()', 'slidingWindow(left: 1)'],
      ['second', 'full()', 'slidingWindow(left: 1)'],
      ['third', 'causal()', 'slidingWindow(left: 1)'],
    ]);
    expect(report.left).toEqual([
      {name: 'local', className: 'LocalAttention', reason: jasmine.stringContaining('not a MultiHeadAttention')},
    ]);
    expect(model.getWeights().map((weight) => Array.from(weight.dataSync()))).toEqual(weights);
    expect(numbersOf(model, x)).not.toEqual(before);
    replaceAttention(
      model,
      report.replaced.map(({from}) => from),
    );
    expect(numbersOf(model, x)).toEqual(before);
  });

  it('takes one pattern for each layer', () => {
    const model = nested();
    const patterns = [causal(), 'full()', slidingWindow({left: 1})];
    expect(replaceAttention(model, patterns).replaced.map(({to}) => String(to))).toEqual(patterns.map(String));
  });

  it('refuses another count, and what is no pattern, before it changes anything', () => {
    const model = nested();
    const {thing, found, expected} = refusal(() => replaceAttention(model, [causal()]));
    expect([thing, found]).toEqual(['replaceAttention pattern', '1 patterns']);
    expect(expected).toBe('3, one for each attention layer of nested: first, second, third');
    refusal(() => replaceAttention(model, [full(), full(), 'slidingWindo(left: 1)']));
    refusal(() => replaceAttention(model, 3 as unknown as string));
    expect(replaceAttention(model, full()).replaced.map(({from}) => String(from))).toEqual(['full()', 'full()', 'causal()']);
  });

  it('refuses what is no layers model', () => {
    const messageOf = (model: unknown, pattern: unknown = full()): string =>
      refusal(() => replaceAttention(model as tf.LayersModel, pattern as string)).message;
    expect(messageOf(undefined)).toContain('replaceAttention model: found nothing, expected a layers model');
    expect(messageOf(full(), nested())).toContain('Call replaceAttention(model, pattern)');
    expect(messageOf(Promise.resolve(nested()))).toContain('Await it first');
    expect(messageOf(new tf.GraphModel('model.json'))).toContain('found a graph model');
  });

  it('says that a model has no attention, and what stands in the place of a pattern there, too', () => {
    const dense = tf.sequential({name: 'plain', layers: [tf.layers.dense({units: 2, inputShape: [3]})]});
    const {thing, found} = refusal(() => replaceAttention(dense, causal()));
    expect([thing, found]).toEqual(['replaceAttention model', 'plain, a model without attention']);
    refusal(() => replaceAttention(dense, []));
    for (const model of [dense, nested()]) {
      const message = refusal(() => replaceAttention(model, {pattern: causal()} as never)).message;
      expect(message).toContain('replaceAttention pattern: found an object that has a pattern');
      expect(message).toContain('Take it out: object.pattern.');
    }
  });

  it('reports in lines of text, and as data that compare', () => {
    const report = replaceAttention(nested(), slidingWindow({left: 1}));
    expect(String(report).split('\n')).toEqual([
      '3 of 4 attention layers replaced',
      "  replaced 'first': slidingWindow(left: 1), was full()",
      "  replaced 'second': slidingWindow(left: 1), was full()",
      "  replaced 'third': slidingWindow(left: 1), was causal()",
      "  left 'local', LocalAttention: not a MultiHeadAttention or GroupedQueryAttention of this package, which alone have a pattern",
    ]);
    expect(Object.keys(report)).toEqual(['replaced', 'left']);
    const alone = tf.sequential({layers: [new MultiHeadAttention({numHeads: 1, keyDim: 2, name: 'one', inputShape: [6, 4]})]});
    expect(String(replaceAttention(alone, 'causal()'))).toBe(
      "1 of 1 attention layer replaced\n  replaced 'one': causal(), was full()",
    );
  });
});
