import * as tf from '@tensorflow/tfjs';
import {GroupedQueryAttention, MultiHeadAttention} from '../../src/layers/index.js';
import {refusal} from '../support/errors.js';

const multi = (more: object): MultiHeadAttention => new MultiHeadAttention({numHeads: 2, keyDim: 3, ...more});
const grouped = (more: object): GroupedQueryAttention =>
  new GroupedQueryAttention({headDim: 3, numQueryHeads: 4, numKeyValueHeads: 2, ...more});
const messageOf = (act: () => unknown): string => refusal(act).message;

describe('attention layers refuse', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('arguments out of range', () => {
    const wrong: [object, string][] = [
      [{numHeads: 0}, 'MultiHeadAttention.numHeads: found 0, expected a positive whole number'],
      [{numHeads: null}, 'MultiHeadAttention.numHeads: found nothing'],
      [{keyDim: 2.5}, 'MultiHeadAttention.keyDim: found 2.5'],
      [{valueDim: -1}, 'MultiHeadAttention.valueDim: found -1'],
      [{outputShape: [4, 0]}, 'MultiHeadAttention.outputShape: found 0'],
      [{attentionAxes: [2, 3]}, 'MultiHeadAttention.attentionAxes: found [2, 3], expected [1], along the sequence'],
      [{attentionAxes: 2}, 'MultiHeadAttention.attentionAxes: found 2'],
      [{dropout: 1}, 'MultiHeadAttention.dropout: found 1, expected a number with 0 ≤ dropout < 1'],
      [{dropout: 'much'}, "MultiHeadAttention.dropout: found 'much'"],
      [{seed: -1}, 'MultiHeadAttention.seed: found -1'],
      [{useBias: 1}, 'MultiHeadAttention.useBias: found 1, expected true or false'],
      [{slidingWindow: 0}, 'MultiHeadAttention.slidingWindow: found 0'],
      [{pattern: 3}, 'MultiHeadAttention.pattern: found 3, expected a Pattern or its text'],
      [{pattern: 'causl()'}, 'Did you mean causal'],
      [{useGate: true}, 'MultiHeadAttention.useGate: found true, expected false'],
      [{activityRegularizer: 'l2'}, "MultiHeadAttention.activityRegularizer: found 'l2', expected null"],
      [{num_heads: 2}, "Did you mean 'numHeads'?"],
      [{patern: 'causal()'}, "Did you mean 'pattern'?"],
    ];
    for (const [more, text] of wrong) expect(messageOf(() => multi(more))).toContain(text);
    expect(messageOf(() => grouped({numKeyValueHeads: 3}))).toContain('found 3, expected a divisor of numQueryHeads, 4');
    expect(messageOf(() => grouped({headDim: undefined}))).toContain('GroupedQueryAttention.headDim: found nothing');
    expect(messageOf(() => grouped({numHeads: 4}))).toContain("GroupedQueryAttention argument 'numHeads': found an unknown option");
    expect(messageOf(() => new MultiHeadAttention(undefined as never))).toContain('MultiHeadAttention arguments: found undefined');
    expect(messageOf(() => (multi({}).pattern = 1 as never))).toContain('MultiHeadAttention.pattern: found 1');
  });

  it('take null for a default, and the axis and the flags that Keras writes', () => {
    const layer = multi({
      valueDim: null,
      outputShape: null,
      attentionAxes: [-2],
      dropout: null,
      useBias: null,
      useGate: false,
      seed: null,
    });
    expect(layer.sizes).toEqual({heads: 2, keyHeads: 2, keyDim: 3, valueDim: 3, outputShape: null});
    expect(layer.useBias).toBeTrue();
    expect(multi({outputShape: []}).sizes.outputShape).toBeNull();
    const cls = MultiHeadAttention as unknown as tf.serialization.SerializableConstructor<MultiHeadAttention>;
    expect(MultiHeadAttention.fromConfig(cls, {numHeads: 1, keyDim: 1, ofAFutureKeras: null}).sizes.heads).toBe(1);
    refusal(() => MultiHeadAttention.fromConfig(cls, {numHeads: 1, keyDim: 1, ofAFutureKeras: 1}));
  });

  it('inputs that do not fit each other', () => {
    const apply = (...shapes: number[][]): string =>
      messageOf(() => multi({name: 'mha'}).apply(shapes.map((shape) => tf.zeros(shape))));
    expect(apply([2, 3])).toContain('query of mha: found shape [2, 3], expected [batch, length, features]');
    expect(apply([2, 3, 4, 5])).toContain('query of mha: found shape [2, 3, 4, 5]');
    expect(apply([2, 3, 4], [2, 4])).toContain('value of mha');
    expect(apply([2, 3, 4], [2, 5, 4], [2, 6, 4])).toContain('key of mha: found length 6, expected 5, as value has');
    expect(apply(...Array<number[]>(5).fill([1, 2, 3]))).toContain('inputs of mha: found 5 tensors');
    expect(messageOf(() => multi({name: 'mha'}).call([], {}))).toContain('inputs of mha: found 0 tensors');
    expect(messageOf(() => multi({name: 'mha'}).apply(tf.zeros([1, 2, 3], 'int32')))).toContain(
      'Token ids go through an Embedding',
    );
    expect(apply([2, 3, 4], [1, 3, 4])).toContain('batch of key');
    expect(messageOf(() => multi({name: 'mha'}).apply(tf.input({shape: [3, null as never]})))).toContain('known features');
  });

  it('inputs of other features than the layer was built for', () => {
    const layer = multi({name: 'mha'});
    layer.apply([tf.zeros([1, 2, 4]), tf.zeros([1, 3, 5])]);
    expect(messageOf(() => layer.apply([tf.zeros([1, 2, 4]), tf.zeros([1, 3, 4])]))).toContain(
      'value of mha: found shape [1, 3, 4], expected [batch, length, 5], for which its weights were made',
    );
    expect(messageOf(() => layer.apply(tf.zeros([1, 2, 5])))).toContain(
      'query of mha: found shape [1, 2, 5], expected [batch, length, 4]',
    );
  });

  it('a tensor whose mask was freed, rather than attend to what the mask hid', () => {
    const ids = tf.input({shape: [3], dtype: 'int32'});
    const embedded = tf.layers.embedding({inputDim: 4, outputDim: 4, maskZero: true}).apply(ids) as tf.SymbolicTensor;
    const encoder = tf.model({inputs: ids, outputs: multi({}).apply(multi({}).apply(embedded)) as tf.SymbolicTensor});
    const head = multi({name: 'mha'});
    head.apply(encoder.outputs[0]!);
    const memory = encoder.apply(tf.tensor2d([[1, 2, 0]])) as tf.Tensor;
    const query = tf.zeros([1, 2, 4]);
    expect(messageOf(() => head.apply([query, memory]))).toContain('mask of the value of mha: found a disposed one');
    const other = tf.tidy(() => encoder.layers[1]!.apply(tf.tensor2d([[1, 2, 0]])) as tf.Tensor);
    expect(messageOf(() => head.apply(other))).toContain('mask of the query of mha: found a disposed one');
    const attentionMask = tf.tensor3d([1, 1, 0], [1, 1, 3]);
    expect((head.apply([query, memory.clone()], {attentionMask}) as tf.Tensor).shape).toEqual([1, 2, 4]);
  });

  it('call arguments that are unknown, wrong or impossible', () => {
    const x = tf.zeros([1, 3, 4]);
    const eager = (kwargs: object): string => messageOf(() => multi({name: 'mha'}).apply(x, {...kwargs}));
    expect(eager({attention_mask: x})).toContain("Did you mean 'attentionMask'?");
    expect(eager({useCausalMask: 1})).toContain("call argument 'useCausalMask' of mha: found 1, expected true or false");
    expect(eager({returnAttentionScores: true})).toContain('the kernel never holds them as a whole');
    expect(eager({attentionMask: [[1]]})).toContain("call argument 'attentionMask' of mha: found [[1]], expected a tensor");
    expect(eager({attentionMask: tf.zeros([1, 2, 3])})).toContain('attentionMask of mha: found shape [1, 2, 3]');
    expect(eager({attentionMask: tf.zeros([3])})).toContain('attentionMask of mha: found shape [3]');
    expect(eager({attentionMask: tf.zeros([1, 4])})).toContain('1 in the mask means attend');
    const tokens = tf.tensor2d([
      [1, 1, 0],
      [1, 0, 0],
    ]);
    const two = tf.ones([2, 3, 4]);
    const layer = multi({name: 'mha'});
    const message = messageOf(() => layer.apply(two, {attentionMask: tokens}));
    expect(message).toContain('attentionMask of mha: found shape [2, 3]');
    expect(message).toContain('A mask of tokens, [batch, keyLength], hides them from all queries: pass tf.expandDims(mask, 1)');
    expect((layer.apply(two, {attentionMask: tf.expandDims(tokens, 1)}) as tf.Tensor).shape).toEqual([2, 3, 4]);
    expect(eager({value: x})).toContain('Call apply([query, value, key])');
    expect(eager({mask: tf.ones([1, 3])})).toContain('Pass attentionMask');
    const masked = tf.zeros([1, 3, 4]) as tf.Tensor & {kerasMask?: tf.Tensor};
    masked.kerasMask = tf.ones([1, 2]);
    expect(messageOf(() => multi({name: 'mha'}).apply(masked))).toContain('mask of the query of mha: found shape [1, 2]');
  });

  it('inputs that are spread over the arguments, named, or no tensors', () => {
    const [x, input] = [tf.zeros([1, 3, 4]), tf.input({shape: [3, 4]})];
    const call = (...args: unknown[]): string =>
      messageOf(() => Reflect.apply(multi({}).apply, multi({name: 'mha'}), args) as unknown);
    for (const each of [x, input]) {
      expect(call(each, each)).toContain('second argument of mha.apply: found a tensor, expected {attentionMask, useCausalMask');
      expect(call(each, [each])).toContain('apply([query, value, key])');
      expect(call({query: each, value: each})).toContain('inputs of mha: found an object {query, value}, expected apply(query)');
      expect(call([{query: each}])).toContain('no named inputs');
      expect(call([each, undefined])).toContain('inputs of mha: found nothing');
      expect(call([each, null])).toContain('inputs of mha: found null');
    }
    expect(call()).toContain('inputs of mha: found nothing');
    expect(call([x, input])).toContain('tensors beside symbolic ones');
    expect(call(Promise.resolve(x))).toContain('Await what is a promise');
    expect(call([[1, 2]])).toContain('tf.tensor3d(values)');
    expect(call(new Float32Array(12))).toContain('tf.tensor3d(values)');
    expect(call(x, 'causal')).toContain("second argument of mha.apply: found 'causal'");
    expect(call(x, true)).toContain('second argument of mha.apply: found true');
    expect((multi({}).apply(x, null as never) as tf.Tensor).shape).toEqual([1, 3, 4]);
  });

  it('widths for which no tensor has room, before they make one', () => {
    const x = tf.zeros([1, 3, 4]);
    const {numTensors} = tf.memory();
    for (const layer of [multi({name: 'mha', keyDim: 2 ** 40}), grouped({name: 'mha', headDim: 2 ** 30})]) {
      expect(messageOf(() => layer.apply(x))).toContain('weight query/kernel of mha: found');
      expect(messageOf(() => layer.apply(tf.input({shape: [3, 4]})))).toContain('expected at most 2147483647, in one tensor');
    }
    expect(messageOf(() => multi({valueDim: 2 ** 31}).apply(x))).toContain('weight value/kernel');
    expect(tf.memory().numTensors - numTensors).toBeLessThan(10);
    const wide = multi({numHeads: 1, keyDim: 300}).apply(x) as tf.Tensor;
    expect(wide.shape).toEqual([1, 3, 4]);
  });

  it('symbolic calls that a model would not repeat', () => {
    const input = tf.input({shape: [3, 4]});
    const symbolic = (kwargs: object): string => messageOf(() => multi({name: 'mha'}).apply(input, {...kwargs}));
    expect(symbolic({training: true})).toContain("call argument 'training' of mha: found true, expected none in a model");
    expect(symbolic({attentionMask: tf.ones([3, 3])})).toContain('expected a symbolic tensor in a model');
    const layer = multi({name: 'mha'});
    layer.apply(input);
    expect(messageOf(() => layer.apply(input, {useCausalMask: true}))).toContain('found true after a call with false');
    layer.apply(input, {useCausalMask: false});
    const two = messageOf(() =>
      multi({name: 'mha'}).apply([input, input, input, tf.input({shape: [3, 3]})], {attentionMask: input}),
    );
    expect(two).toContain('found two masks');
  });
});
