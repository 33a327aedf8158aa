import * as tf from '@tensorflow/tfjs';
import fc from 'fast-check';
import {GroupedQueryAttention, MultiHeadAttention} from '../../../src/layers/index.js';
import {causal, slidingWindow} from '../../../src/pattern/index.js';
import {
  expectNumbers,
  kerasAttention,
  numbers,
  randomWeights,
  tensorOf,
  tokens,
  type Tokens,
} from '../../support/keras_attention.js';

type Layer = MultiHeadAttention | GroupedQueryAttention;
type Visible = (batch: number, head: number, query: number, key: number) => boolean;

const HEADS = {heads: 2, keyHeads: 2, keyDim: 3, valueDim: 3};
const make = (more: object = {}): MultiHeadAttention => new MultiHeadAttention({numHeads: 2, keyDim: 3, ...more});

/** A model on ids of an Embedding that masks 0, one for each input; `numbersOf` gives what the Embedding makes of them. */
function embedded(
  vocabulary: number,
  features: number,
  seed: number,
): {layer: tf.layers.Layer; numbersOf: (ids: number[][]) => Tokens} {
  const table = numbers(vocabulary * features, seed);
  const layer = tf.layers.embedding({
    inputDim: vocabulary,
    outputDim: features,
    maskZero: true,
    weights: [tf.tensor2d(Float32Array.from(table), [vocabulary, features])],
  });
  const numbersOf = (ids: number[][]): Tokens => ({
    shape: [ids.length, ids[0]!.length, features],
    values: Float64Array.from(ids.flat().flatMap((id) => Array.from(table.subarray(id * features, (id + 1) * features)))),
  });
  return {layer, numbersOf};
}

const symbolic = (tensors: unknown): tf.SymbolicTensor => tensors as tf.SymbolicTensor;

describe('masks of attention layers', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it('of Embedding hide padded keys and queries, as in Keras', async () => {
    const ids = [
      [3, 1, 2, 0, 0],
      [0, 4, 0, 1, 0],
    ];
    const {layer: embedding, numbersOf} = embedded(5, 4, 1);
    const input = tf.input({shape: [5], dtype: 'int32'});
    const attention = make();
    const model = tf.model({inputs: input, outputs: symbolic(attention.apply(symbolic(embedding.apply(input))))});
    const weights = await randomWeights(attention);
    const query = numbersOf(ids);
    const visible: Visible = (b, _, i, j) => ids[b]![i] !== 0 && ids[b]![j] !== 0;
    const expected = kerasAttention({query, value: query, key: query, ...HEADS, outputSize: 4, weights, visible});
    const given = tf.tensor2d(ids);
    await expectNumbers(model.predict(given) as tf.Tensor, expected);
    // Called directly, the Embedding puts its mask beside its output.
    await expectNumbers(attention.apply(embedding.apply(given) as tf.Tensor) as tf.Tensor, expected);
  });

  it('reach the value through other layers', async () => {
    const [ids, memory] = [[[1, 2, 0]], [[0, 3, 1, 0]]];
    const [{layer: a, numbersOf: numbersOfA}, {layer: b, numbersOf: numbersOfB}] = [embedded(4, 4, 1), embedded(4, 4, 2)];
    const inputs = [3, 4].map((length) => tf.input({shape: [length], dtype: 'int32'}));
    // Add gives its mask a dimension too many, each time.
    const twice = (x: tf.SymbolicTensor): tf.SymbolicTensor => symbolic(tf.layers.add().apply([x, x]));
    const cross = make();
    const tokensOf = [symbolic(a.apply(inputs[0]!)), twice(twice(symbolic(b.apply(inputs[1]!))))];
    const model = tf.model({inputs, outputs: symbolic(cross.apply(tokensOf))});
    const weights = await randomWeights(cross);
    const query = numbersOfA(ids);
    const once = numbersOfB(memory);
    const value = {...once, values: once.values.map((x) => 4 * x)};
    const visible: Visible = (_, __, i, j) => ids[0]![i] !== 0 && memory[0]![j] !== 0;
    const expected = kerasAttention({query, value, key: value, ...HEADS, outputSize: 4, weights, visible});
    await expectNumbers(model.predict([tf.tensor2d(ids), tf.tensor2d(memory)]) as tf.Tensor, expected);
  });

  it('of one Embedding for query and value are told apart', async () => {
    const [ids, memory] = [[[1, 2, 0]], [[0, 3, 1]]];
    const {layer: embedding, numbersOf} = embedded(4, 4, 1);
    const inputs = [0, 1].map(() => tf.input({shape: [3], dtype: 'int32'}));
    const cross = make();
    const model = tf.model({inputs, outputs: symbolic(cross.apply(inputs.map((input) => symbolic(embedding.apply(input)))))});
    const weights = await randomWeights(cross);
    const [query, value] = [numbersOf(ids), numbersOf(memory)];
    const visible: Visible = (_, __, i, j) => ids[0]![i] !== 0 && memory[0]![j] !== 0;
    const expected = kerasAttention({query, value, key: value, ...HEADS, outputSize: 4, weights, visible});
    await expectNumbers(model.predict([tf.tensor2d(ids), tf.tensor2d(memory)]) as tf.Tensor, expected);
  });

  it('of a layer elsewhere do not reach one without masks', async () => {
    const {layer: embedding} = embedded(4, 4, 1);
    const [ids, plain] = [tf.input({shape: [3], dtype: 'int32'}), tf.input({shape: [3, 4]})];
    const [masked, unmasked] = [make(), make()];
    const first = symbolic(masked.apply(symbolic(embedding.apply(ids))));
    const model = tf.model({inputs: [ids, plain], outputs: [first, symbolic(unmasked.apply(plain))]});
    const weights = await randomWeights(unmasked);
    const query = tokens([1, 3, 4], 5);
    const [, found] = model.predict([tf.tensor2d([[1, 0, 0]]), tensorOf(query)]) as tf.Tensor[];
    await expectNumbers(found!, kerasAttention({query, value: query, key: query, ...HEADS, outputSize: 4, weights}));
  });

  it('of key and value are joined, with a query that has none', async () => {
    const [keys, values] = [[[0, 1, 1, 2]], [[1, 1, 0, 3]]];
    const [{layer: a, numbersOf: numbersOfA}, {layer: b, numbersOf: numbersOfB}] = [embedded(4, 4, 1), embedded(4, 4, 2)];
    const plain = tf.input({shape: [2, 4]});
    const [keyIds, valueIds] = [tf.input({shape: [4], dtype: 'int32'}), tf.input({shape: [4], dtype: 'int32'})];
    const attention = make();
    const inputs = [plain, symbolic(b.apply(valueIds)), symbolic(a.apply(keyIds))];
    const model = tf.model({inputs: [plain, keyIds, valueIds], outputs: symbolic(attention.apply(inputs))});
    const weights = await randomWeights(attention);
    const query = tokens([1, 2, 4], 5);
    const [key, value] = [numbersOfA(keys), numbersOfB(values)];
    const visible: Visible = (_, __, ___, j) => keys[0]![j] !== 0 && values[0]![j] !== 0;
    const expected = kerasAttention({query, value, key, ...HEADS, outputSize: 4, weights, visible});
    await expectNumbers(model.predict([tensorOf(query), tf.tensor2d(keys), tf.tensor2d(values)]) as tf.Tensor, expected);
  });

  it('pass on that of the query', async () => {
    const input = tf.input({shape: [3, 4]});
    const masking = symbolic(tf.layers.masking({maskValue: 9}).apply(input));
    const [first, second] = [make(), make()];
    const model = tf.model({inputs: input, outputs: symbolic(second.apply(symbolic(first.apply(masking))))});
    const [weights, secondWeights] = [await randomWeights(first), await randomWeights(second, 9)];
    const query = tokens([1, 3, 4], 5);
    query.values.fill(9, 0, 4);
    // Masking also sets what it masks to 0.
    const masked = {...query, values: query.values.map((x) => (x === 9 ? 0 : x))};
    const visible: Visible = (_, __, i, j) => i > 0 && j > 0;
    const call = {...HEADS, outputSize: 4, visible};
    const between = kerasAttention({...call, query: masked, value: masked, key: masked, weights});
    const x: Tokens = {shape: [1, 3, 4], values: between};
    const expected = kerasAttention({...call, query: x, value: x, key: x, weights: secondWeights});
    await expectNumbers(model.predict(tensorOf(query)) as tf.Tensor, expected);
  });

  it('of all kinds together give what float64 loops give', async () => {
    const cases = fc.record({
      queryLength: fc.integer({min: 1, max: 6}),
      keyLength: fc.integer({min: 1, max: 6}),
      grouped: fc.boolean(),
      slidingWindow: fc.option(fc.integer({min: 1, max: 4})),
      useCausalMask: fc.boolean(),
      masked: fc.constantFrom('none', 'query', 'value', 'both'),
      attentionMask: fc.constantFrom('none', 'pairs', 'heads', 'keys', 'unbatched'),
      pattern: fc.constantFrom('full()', 'causal()', 'slidingWindow(left: 1, right: 1)'),
      bits: fc.infiniteStream(fc.boolean()),
      seed: fc.nat(1000),
    });
    await fc.assert(
      fc.asyncProperty(
        cases,
        async ({queryLength, keyLength, grouped, masked, attentionMask, bits, seed, useCausalMask, ...more}) => {
          const layer: Layer = grouped
            ? new GroupedQueryAttention({headDim: 3, numQueryHeads: 4, numKeyValueHeads: 2, ...more})
            : make(more);
          const heads = grouped ? 4 : 2;
          const bool = (count: number): boolean[] => Array.from({length: count}, () => bits.next().value);
          const batch = 2;
          const [query, value] = [tokens([batch, queryLength, 4], seed), tokens([batch, keyLength, 4], seed + 1)];
          const rows = (length: number, there: boolean): boolean[] | null => (there ? bool(batch * length) : null);
          const queryMask = rows(queryLength, masked === 'query' || masked === 'both');
          const valueMask = rows(keyLength, masked === 'value' || masked === 'both');
          const shape = {
            none: null,
            pairs: [batch, queryLength, keyLength],
            heads: [batch, heads, queryLength, keyLength],
            keys: [1, 1, keyLength],
            unbatched: [queryLength, keyLength],
          }[attentionMask];
          const pairs = shape && bool(shape.reduce((a, b) => a * b, 1));
          const pairAt = (b: number, h: number, i: number, j: number): boolean => {
            if (attentionMask === 'none') return true;
            if (attentionMask === 'keys') return pairs![j]!;
            const row = i * keyLength + j;
            if (attentionMask === 'unbatched') return pairs![row]!;
            return pairs![(attentionMask === 'heads' ? b * heads + h : b) * queryLength * keyLength + row]!;
          };
          const visible: Visible = (b, h, i, j) =>
            (queryMask?.[b * queryLength + i] ?? true) &&
            (valueMask?.[b * keyLength + j] ?? true) &&
            pairAt(b, h, i, j) &&
            (!useCausalMask || j <= i) &&
            (more.slidingWindow === null || Math.abs(i - j) < more.slidingWindow);
          const given = [query, value].map(tensorOf);
          [queryMask, valueMask].forEach((mask, which) => {
            const length = which === 0 ? queryLength : keyLength;
            if (mask) (given[which] as {kerasMask?: tf.Tensor}).kerasMask = tf.tensor2d(mask.map(Number), [batch, length], 'bool');
          });
          const kwargs = {useCausalMask, ...(pairs && {attentionMask: tf.tensor(pairs.map(Number), shape, 'int32')})};
          layer.apply(given, kwargs);
          const weights = await randomWeights(layer, seed);
          const sizes = grouped ? {heads: 4, keyHeads: 2, keyDim: 3, valueDim: 3} : HEADS;
          const {pattern} = layer;
          const expected = kerasAttention({query, value, key: value, ...sizes, outputSize: 4, weights, visible, pattern});
          await expectNumbers(layer.apply(given, kwargs) as tf.Tensor, expected);
          layer.dispose();
        },
      ),
      {numRuns: 150},
    );
  });

  it('useCausalMask counts from the first key, causal() from the last', async () => {
    const [query, value] = [tokens([1, 2, 4], 1), tokens([1, 4, 4], 2)];
    const given = [query, value].map(tensorOf);
    const layer = make();
    layer.apply(given);
    const weights = await randomWeights(layer);
    const call = {query, value, key: value, ...HEADS, outputSize: 4, weights};
    const fromFirst = kerasAttention({...call, visible: (_, __, i, j) => j <= i});
    const fromLast = kerasAttention({...call, pattern: causal()});
    expect(Array.from(fromFirst)).not.toEqual(Array.from(fromLast));
    await expectNumbers(layer.apply(given, {useCausalMask: true}) as tf.Tensor, fromFirst);
    layer.pattern = causal();
    await expectNumbers(layer.apply(given) as tf.Tensor, fromLast);
    layer.pattern = slidingWindow({left: 1});
    const both = kerasAttention({...call, visible: (_, __, i, j) => j <= i, pattern: slidingWindow({left: 1})});
    await expectNumbers(layer.apply(given, {useCausalMask: true}) as tf.Tensor, both);
  });
});
