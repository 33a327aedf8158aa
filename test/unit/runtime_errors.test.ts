import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import {
  causal,
  documents,
  fromMask,
  globalTokens,
  patternFromMask,
  prepare,
  slidingWindow,
  sparseAttention,
  sparseAttentionWithAux,
  SplatError,
} from '../../src/index.js';

const disposed = (shape: number[]): tf.Tensor => {
  const tensor = tf.zeros(shape);
  tensor.dispose();
  return tensor;
};

const at = (shape: number[], dtype: tf.DataType = 'float32'): tf.Tensor => tf.zeros(shape, dtype);

describe('sparseAttention refuses', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const qkv = (): [tf.Tensor, tf.Tensor, tf.Tensor] => [at([2, 3, 5, 4]), at([2, 3, 7, 4]), at([2, 3, 7, 6])];
  const withQuery = (query: tf.Tensor) => () => sparseAttention(query, ...(qkv().slice(1) as [tf.Tensor, tf.Tensor]), causal());
  const withKey = (key: tf.Tensor) => () => sparseAttention(qkv()[0], key, qkv()[2], causal());
  const withValue = (value: tf.Tensor) => () => sparseAttention(qkv()[0], qkv()[1], value, causal());
  const withPattern = (pattern: unknown) => () => sparseAttention(...qkv(), pattern as tf.Tensor);
  const withOptions = (options: unknown) => () => sparseAttention(...qkv(), causal(), options as {scale: number});

  const cases: [string, () => () => unknown, RegExp][] = [
    [
      'a query of rank 2',
      () => withQuery(at([5, 4])),
      /^query: found shape \[5, 4\], expected \[batch, heads, queryLength, headDim\]/,
    ],
    ['a query of rank 5', () => withQuery(at([1, 2, 3, 5, 4])), /^query: found shape \[1, 2, 3, 5, 4\]/],
    ['a key of another rank', () => withKey(at([2, 7, 4])), /^key: found shape \[2, 7, 4\], expected rank 4 like query/],
    ['another batch', () => withKey(at([1, 3, 7, 4])), /^batch of key: found 1, expected 2, as query has/],
    ['key heads that do not divide', () => withKey(at([2, 2, 7, 4])), /^heads of key: found 2, expected a divisor of 3/],
    ['more key heads', () => withKey(at([2, 6, 7, 4])), /^heads of key: found 6, expected a divisor of 3/],
    ['no key heads', () => withKey(at([2, 0, 7, 4])), /^heads of key: found 0, expected a divisor of 3/],
    ['other value heads', () => withKey(at([2, 1, 7, 4])), /^heads of value: found 3, expected 1, as key has/],
    ['another headDim', () => withKey(at([2, 3, 7, 5])), /^headDim of key: found 5, expected 4/],
    ['another keyLength', () => withValue(at([2, 3, 8, 6])), /^keyLength of value: found 8, expected 7/],
    [
      'int32 inputs',
      () => withValue(at([2, 3, 7, 6], 'int32')),
      /^value: found dtype int32, expected dtype float32.*tf\.cast\(value/,
    ],
    ['bool inputs', () => withQuery(at([2, 3, 5, 4], 'bool')), /^query: found dtype bool/],
    [
      'a headDim of 0',
      () => () => sparseAttention(at([1, 5, 0]), at([1, 5, 0]), at([1, 5, 1]), causal()),
      /^headDim of query: found 0, expected at least 1/,
    ],
    [
      'a query that is text',
      () => withQuery('query' as unknown as tf.Tensor),
      /^query: found the text 'query', expected a float32 tensor/,
    ],
    ['no query at all', () => withQuery(undefined as unknown as tf.Tensor), /^query: found undefined, expected a float32 tensor/],
    ['ragged arrays', () => withQuery([[[[1], [2, 3]]]] as unknown as tf.Tensor), /^query: found rows of different lengths/],
    [
      'arrays with a gap or a word among the numbers',
      () => withQuery([[[[1, undefined]]]] as unknown as tf.Tensor),
      /^query: found undefined among the numbers, expected nested arrays of numbers/,
    ],
    ['a Float64Array', () => withQuery(new Float64Array(4) as unknown as tf.Tensor), /^query: found an object, expected/],
    ['text for a pattern', () => withPattern('causal()'), /^pattern: found the text 'causal\(\)'.*parsePattern\(text\)/],
    [
      'an array for a pattern',
      () => withPattern([true]),
      /^pattern: found an array, expected a Pattern or a boolean tensor.*fromMask/,
    ],
    ['nothing for a pattern', () => withPattern(undefined), /^pattern: found undefined/],
    ['a float mask', () => withPattern(at([5, 7])), /^mask: found dtype float32, expected dtype bool.*options\.bias/],
    [
      'a mask that does not broadcast',
      () => withPattern(at([5, 6], 'bool')),
      /^mask: found shape \[5, 6\], expected one that broadcasts to \[batch, heads, queryLength, keyLength\] = \[2, 3, 5, 7\]/,
    ],
    ['a mask of rank 5', () => withPattern(at([1, 1, 1, 5, 7], 'bool')), /^mask: found shape \[1, 1, 1, 5, 7\]/],
    [
      'a bias that does not broadcast',
      () => withOptions({bias: at([2, 5, 7])}),
      /^bias: found shape \[2, 5, 7\], expected one that broadcasts/,
    ],
    ['a bool bias', () => withOptions({bias: at([5, 7], 'bool')}), /^bias: found dtype bool, expected dtype float32/],
    ['a scale of NaN', () => withOptions({scale: NaN}), /^option scale: found NaN, expected a finite number/],
    ['an infinite scale', () => withOptions({scale: Infinity}), /^option scale: found Infinity/],
    ['a scale too large for float32', () => withOptions({scale: 1e40}), /^option scale: found 1e\+40.*float32/],
    ['a scale that is text', () => withOptions({scale: '1'}), /^option scale: found the text '1'/],
    ['a fractional queryOffset', () => withOptions({queryOffset: 0.5}), /^option queryOffset: found 0\.5, expected a whole number/],
    ['a queryOffset of NaN', () => withOptions({queryOffset: NaN}), /^option queryOffset: found NaN/],
    [
      'an unknown option, with the nearest name',
      () => withOptions({scales: 1}),
      /^option 'scales': found an unknown option.*Did you mean 'scale'\?/,
    ],
    [
      'a mask among the options',
      () => withOptions({attention_mask: [[1]]}),
      /option 'attention_mask'.*stands in the place of the pattern/,
    ],
    ['a name that every object has', () => withOptions({constructor: 1}), /option 'constructor'.*Remove it\.$/],
    ['causality among the options', () => withOptions({isCausal: true}), /option 'isCausal'.*causal\(\)/],
    [
      'an option like nothing known',
      () => withOptions({temperature: 1}),
      /expected one of scale, queryOffset, implementation, precision, layout, .* seed\. Remove it/,
    ],
    ['a layout that is none', () => withOptions({layout: 'blh'}), /^option layout: found the text 'blh'.*Did you mean 'blhd'/],
    [
      'a layout that the tensors do not have',
      () => withOptions({layout: 'blhd'}),
      /^heads of key: found 7, expected a divisor of 5.*layout 'blhd' was read/,
    ],
    [
      'keyLengths of floats',
      () => withOptions({keyLengths: at([2])}),
      /^option keyLengths: found dtype float32, expected dtype int32/,
    ],
    [
      'keyLengths of another batch',
      () => withOptions({keyLengths: at([3], 'int32')}),
      /^option keyLengths: found shape \[3\], expected \[batch\] = \[2\]/,
    ],
    [
      'a key length past the keys',
      () => withOptions({keyLengths: [7, 8]}),
      /^option keyLengths: found 8, expected whole numbers from 0 to/,
    ],
    ['a negative key length', () => withOptions({keyLengths: [-1, 7]}), /^option keyLengths: found -1/],
    ['keyLengths that are a number', () => withOptions({keyLengths: 7}), /^option keyLengths: found 7, expected an int32 tensor/],
    [
      'segments of one side',
      () => withOptions({segmentIds: {query: at([2, 5], 'int32')}}),
      /^option segmentIds\.key: found nothing.*Give ids of keys, too/,
    ],
    [
      'segments that are a tensor',
      () => withOptions({segmentIds: at([2, 5], 'int32')}),
      /^option segmentIds: found a tensor, .*Give both/,
    ],
    [
      'segments that are an array',
      () => withOptions({segmentIds: [[0, 0, 0, 0, 0]]}),
      /^option segmentIds: found an array, .*Give both/,
    ],
    [
      'segments that are a text',
      () => withOptions({segmentIds: 'query'}),
      /^option segmentIds: found the text 'query', .*Give both/,
    ],
    [
      'segments of a third side',
      () => withOptions({segmentIds: {query: at([2, 5], 'int32'), key: at([2, 7], 'int32'), keys: at([2, 7], 'int32')}}),
      /^option segmentIds\.keys: found an unknown option, expected one of query, key\. Did you mean 'key'\?/,
    ],
    [
      'segments of another length',
      () => withOptions({segmentIds: {query: at([2, 5], 'int32'), key: at([2, 5], 'int32')}}),
      /^option segmentIds\.key: found shape \[2, 5\], expected \[batch, keyLength\] = \[2, 7\]/,
    ],
    [
      'slopes of other heads',
      () => withOptions({alibiSlopes: at([2])}),
      /^alibiSlopes: found shape \[2\], expected \[heads\] = \[3\]/,
    ],
    ['sinks of other heads', () => withOptions({sinks: at([1])}), /^sinks: found shape \[1\], expected \[heads\] = \[3\]/],
    ['sinks that are disposed', () => withOptions({sinks: disposed([3])}), /^sinks: found a disposed tensor/],
    [
      'a relative bias of another length',
      () => withOptions({relativeBias: at([3, 12])}),
      /^option relativeBias: found shape \[3, 12\], expected \[heads or 1, queryLength \+ keyLength − 1\] = \[3, 11\].*relativePositionBias/,
    ],
    [
      'a relative bias of other heads',
      () => withOptions({relativeBias: at([2, 11])}),
      /^option relativeBias: found shape \[2, 11\]/,
    ],
    ['a softcap of 0', () => withOptions({softcap: 0}), /^option softcap: found 0, expected a positive number/],
    ['a negative softcap', () => withOptions({softcap: -50}), /^option softcap: found -50/],
    ['a softcap of NaN', () => withOptions({softcap: NaN}), /^option softcap: found NaN/],
    ['a dropout of 1', () => withOptions({dropout: 1}), /^option dropout: found 1, expected a number with 0 ≤ dropout < 1/],
    ['a negative dropout', () => withOptions({dropout: -0.1}), /^option dropout: found -0\.1/],
    ['a dropout of NaN', () => withOptions({dropout: NaN}), /^option dropout: found NaN/],
    ['a fractional seed', () => withOptions({dropout: 0.1, seed: 0.5}), /^option seed: found 0\.5, expected a whole number/],
    ['a seed of more than 32 bits', () => withOptions({seed: 2 ** 32}), /^option seed: found 4294967296/],
    [
      'a log-sum-exp without values',
      () => () => sparseAttentionWithAux(at([1, 5, 4]), at([1, 5, 4]), at([1, 5, 0]), causal()),
      /^valueDim of value: found 0, expected at least 1/,
    ],
    ['options that are a number', () => withOptions(0.125), /^options: found 0\.125/],
    [
      'an unknown implementation',
      () => withOptions({implementation: 'fuse'}),
      /^option implementation: found the text 'fuse'.*Did you mean 'fused'\?/,
    ],
    [
      'a misspelt precision, with the nearest name',
      () => withOptions({precision: 'floa16'}),
      /^option precision: found the text 'floa16', expected one of float32, float16.*Did you mean 'float16'\?/,
    ],
    [
      'a precision that is a number',
      () => withOptions({precision: 16}),
      /^option precision: found 16, expected one of float32, float16\. Leave it out for float32/,
    ],
    [
      'float16 where nothing reads it',
      () => withOptions({precision: 'float16'}),
      /^precision 'float16': found the backend 'cpu', expected a WebGPU backend.*Leave precision out here/,
    ],
    [
      'float16 where nothing reads it, with a mask tensor',
      () => () => sparseAttention(...qkv(), at([5, 7], 'bool'), {precision: 'float16'}),
      /^precision 'float16': found the backend 'cpu'/,
    ],
    [
      'fused where nothing is fused',
      () => withOptions({implementation: 'fused'}),
      /^implementation 'fused': found the backend 'cpu', expected a WebGPU backend/,
    ],
    [
      'fused with a mask tensor',
      () => () => sparseAttention(...qkv(), at([5, 7], 'bool'), {implementation: 'fused'}),
      /^implementation 'fused': found a mask tensor.*patternFromMask/,
    ],
    [
      'documents of another length',
      () => withPattern(documents([3, 3])),
      /^documents\.lengths: found a sum of 6, expected keyLength = 7/,
    ],
    [
      'documents of another length, also without batches',
      () => () => sparseAttention(at([0, 5, 4]), at([0, 7, 4]), at([0, 7, 4]), documents([3, 3])),
      /^documents\.lengths: found a sum of 6, expected keyLength = 7/,
    ],
    ['global tokens outside the keys', () => withPattern(globalTokens([7])), /^globalTokens\.tokens: found index 7/],
    [
      'a fixed mask of another shape',
      () => withPattern(fromMask([1], {queryLength: 1, keyLength: 1})),
      /^fromMask: found a mask of \[1, 1\]/,
    ],
  ];
  for (const [what, call, message] of cases) {
    it(what, () => {
      const attempt = call();
      let error: unknown;
      try {
        attempt();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(SplatError);
      expect((error as Error).message).toMatch(message);
    });
  }

  it('to prepare what it would refuse: precisions that are unknown, or that nothing reads here', async () => {
    const sizes = {queryLength: 5, keyLength: 7, headDim: 4};
    await expectAsync(prepare(causal(), {...sizes, precision: 'half' as 'float16'})).toBeRejectedWithError(
      SplatError,
      /^option precision: found the text 'half', expected one of float32, float16/,
    );
    await expectAsync(prepare(causal(), {...sizes, precision: 'float16'})).toBeRejectedWithError(
      SplatError,
      /^precision 'float16': found the backend 'cpu'/,
    );
    await expectAsync(
      prepare(causal(), {...sizes, precision: 'float32', options: ['bias', 'dropout'], gradients: true}),
    ).toBeResolved();
    await expectAsync(prepare(causal(), {...sizes, options: ['biass' as 'bias']})).toBeRejectedWithError(
      SplatError,
      /^name in shape\.options: found the text 'biass'.*Did you mean 'bias'/,
    );
    await expectAsync(prepare(causal(), {...sizes, options: 'bias' as unknown as ['bias']})).toBeRejectedWithError(
      SplatError,
      /^shape\.options: found the text 'bias', expected an array/,
    );
    await expectAsync(prepare(causal(), {...sizes, gradients: 1 as unknown as boolean})).toBeRejectedWithError(
      SplatError,
      /^shape\.gradients: found 1/,
    );
    await expectAsync(prepare(causal(), {...sizes, heads: 4, keyHeads: 3})).toBeRejectedWithError(SplatError, /^keyHeads: found 3/);
  });

  it('disposed tensors, naming which', () => {
    for (const [i, name] of ['query', 'key', 'value'].entries()) {
      const tensors = qkv();
      tensors[i]!.dispose();
      expect(() => sparseAttention(...tensors, causal())).toThrowError(SplatError, new RegExp(`^${name}: found a disposed tensor`));
    }
    const mask = at([5, 7], 'bool');
    mask.dispose();
    expect(() => sparseAttention(...qkv(), mask)).toThrowError(SplatError, /^mask: found a disposed tensor/);
  });

  it('and leaves no tensor behind', () => {
    const tensors = [at([2, 5, 4]), at([2, 7, 4]), at([2, 7, 6])] as const;
    const before = tf.memory().numTensors;
    expect(() => sparseAttention(...tensors, causal(), {bias: [[1, 2]]})).toThrowError(SplatError, /^bias/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('a gradient of what is constant, and says what to train instead', () => {
    const [query, key, value] = [at([1, 4, 2]), at([1, 4, 2]), at([1, 4, 2])];
    const gradient = tf.grad((x) => sparseAttention(query, key, value, causal(), {keyLengths: tf.cast(x, 'int32')}));
    expect(() => gradient(at([1]))).toThrowError(SplatError, /^gradient of keyLengths: .*bias or relativeBias/);
  });

  it('nothing else of a training loop: an attention off the path of the gradient runs', () => {
    const frozen = tf.randomNormal([1, 4, 2]);
    const twice = tf.customGrad((x) => ({value: tf.mul(x as tf.Tensor, 2), gradFunc: (dy: tf.Tensor) => tf.mul(dy, 2)}));
    const gradient = tf.grad((x) => {
      sparseAttention(frozen, frozen, frozen, causal());
      return twice(x);
    });
    expect(gradient(tf.ones([3])).shape).toEqual([3]);
  });
});

describe('sparseAttention accepts', () => {
  beforeAll(() => tf.setBackend('cpu'));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('one head as rank 3, and gives rank 3 back', async () => {
    const [query, key, value] = [tf.randomNormal([2, 5, 4]), tf.randomNormal([2, 7, 4]), tf.randomNormal([2, 7, 6])];
    const bias = tf.randomNormal([2, 1, 7]);
    const flat = sparseAttention(query, key, value, slidingWindow({left: 2}), {bias});
    const four = (tensor: tf.Tensor): tf.Tensor => tf.expandDims(tensor, 1);
    const full = sparseAttention(four(query), four(key), four(value), slidingWindow({left: 2}), {bias: four(bias)});
    expect(flat.shape).toEqual([2, 5, 6]);
    expect(await flat.data()).toEqual(await full.data());
  });

  it('nested arrays and typed biases', async () => {
    const output = sparseAttention([[[1], [2]]], [[[1], [2]]], [[[3], [4]]], causal(), {bias: new Float32Array([0, -Infinity])});
    expect(await output.array()).toEqual([[[3], [3]]]);
  });

  it('options that are undefined as if they were left out', async () => {
    const x = tf.randomNormal([1, 3, 2]);
    const output = sparseAttention(x, x, x, causal(), {
      scale: undefined,
      bias: undefined,
      queryOffset: undefined,
      implementation: undefined,
    });
    expect(await output.data()).toEqual(await sparseAttention(x, x, x, causal()).data());
  });

  it('a queryOffset, also a negative one', async () => {
    const x = tf.randomNormal([1, 3, 2]);
    const output = await sparseAttention(x, x, x, causal(), {queryOffset: -1}).data();
    expect(Array.from(output.slice(0, 2))).toEqual([0, 0]);
    expect(output[2]).not.toBe(0);
  });

  it('zero sizes: empty outputs, and zeros where there are queries but no keys', async () => {
    const shapes: [number[], number[], number[]][] = [
      [
        [0, 2, 3, 4],
        [0, 2, 5, 4],
        [0, 2, 5, 6],
      ],
      [
        [1, 0, 3, 4],
        [1, 0, 5, 4],
        [1, 0, 5, 6],
      ],
      [
        [1, 2, 0, 4],
        [1, 2, 5, 4],
        [1, 2, 5, 6],
      ],
      [
        [1, 2, 3, 4],
        [1, 2, 0, 4],
        [1, 2, 0, 6],
      ],
      [
        [1, 2, 3, 4],
        [1, 2, 5, 4],
        [1, 2, 5, 0],
      ],
      [
        [1, 0, 4],
        [1, 5, 4],
        [1, 5, 6],
      ],
    ];
    for (const [query, key, value] of shapes) {
      const output = sparseAttention(at(query), at(key), at(value), causal());
      expect(output.shape).toEqual([...query.slice(0, -1), value.at(-1)!]);
      expect((await output.data()).every((x) => x === 0)).toBeTrue();
    }
  });
});

describe('patternFromMask', () => {
  beforeAll(() => tf.setBackend('cpu'));

  it('reads a mask back as the pattern it draws', async () => {
    const pattern = await patternFromMask(
      tf.tensor2d(
        [
          [1, 0, 1],
          [0, 0, 1],
        ],
        [2, 3],
        'bool',
      ),
    );
    const shape = {queryLength: 2, keyLength: 3};
    expect([0, 1, 2].map((key) => pattern.attends(0, key, shape))).toEqual([true, false, true]);
    expect([0, 1, 2].map((key) => pattern.attends(1, key, shape))).toEqual([false, false, true]);
  });

  it('refuses anything but a living bool tensor of rank 2 to 4', async () => {
    await expectAsync(patternFromMask(tf.zeros([2, 2]))).toBeRejectedWithError(SplatError, /^mask: found dtype float32/);
    await expectAsync(patternFromMask(tf.zeros([1, 1, 1, 2, 2], 'bool'))).toBeRejectedWithError(
      SplatError,
      /^mask: found shape \[1, 1, 1, 2, 2\]/,
    );
    await expectAsync(patternFromMask([] as unknown as tf.Tensor)).toBeRejectedWithError(SplatError, /^mask: .*fromMask\(array/);
    const gone = tf.zeros([2, 2], 'bool');
    gone.dispose();
    await expectAsync(patternFromMask(gone)).toBeRejectedWithError(SplatError, /disposed/);
  });
});
