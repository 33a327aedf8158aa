import * as tf from '@tensorflow/tfjs-core';
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {
  causal,
  globalTokens,
  patternFromMask,
  prefix,
  prepare,
  slidingWindow,
  sparseAttention,
  SplatError,
  strided,
  type Pattern,
  type SparseAttentionOptions,
} from '../../src/index.js';
import {broadcastBias, expectAttention, mulberry32, randomInputs, type AttentionInputs} from '../oracle.js';

// One size of heads for all specs: a pipeline takes seconds to compile on a software adapter, and lengths do not need new ones.
const SIZES = {batch: 2, heads: 2, queryLength: 45, keyLength: 45, headDim: 8, valueDim: 8};

const backend = (): WebGPUBackend => tf.backend() as WebGPUBackend;

function tensorsOf(inputs: AttentionInputs): [tf.Tensor, tf.Tensor, tf.Tensor] {
  const {batch, heads, queryLength, keyLength, headDim, valueDim} = inputs;
  return [
    tf.tensor4d(inputs.query, [batch, heads, queryLength, headDim]),
    tf.tensor4d(inputs.key, [batch, heads, keyLength, headDim]),
    tf.tensor4d(inputs.value, [batch, heads, keyLength, valueDim]),
  ];
}

async function expectRight(
  pattern: Pattern,
  options: SparseAttentionOptions = {},
  sizes: Partial<typeof SIZES> = {},
): Promise<void> {
  const inputs = randomInputs({...SIZES, ...sizes});
  const shape = {queryLength: inputs.queryLength, keyLength: inputs.keyLength};
  const output = sparseAttention(...tensorsOf(inputs), pattern, options);
  await expectAttention(
    output,
    inputs,
    (q, k) => pattern.attends(q, k, shape),
    options as {scale?: number},
    `${pattern} ${JSON.stringify(sizes)}`,
  );
}

/** The labels of the pipelines that `run` compiles, synchronously. */
async function pipelinesOf(run: () => Promise<void>): Promise<string[]> {
  const {device} = backend();
  const original = device.createComputePipeline;
  const labels: string[] = [];
  device.createComputePipeline = (descriptor) => {
    labels.push(descriptor.label ?? '');
    return original.call(device, descriptor);
  };
  try {
    await run();
  } finally {
    delete (device as Partial<GPUDevice>).createComputePipeline;
  }
  return labels.filter((label) => label.startsWith('SparseAttention'));
}

describe('sparseAttention on WebGPU', () => {
  beforeAll(() => tf.env().set('IS_TEST', true)); // the engine then fails kernels that leave tensors behind
  afterAll(() => tf.env().set('IS_TEST', false));
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  it('gives what the oracle gives, fused and dense', async () => {
    for (const implementation of ['fused', 'dense'] as const) {
      await expectRight(slidingWindow({left: 5, right: 3}).or(globalTokens(2)), {implementation});
    }
  });

  it('compiles nothing new when lengths and windows change', async () => {
    await expectRight(slidingWindow({left: 3}), {implementation: 'fused'});
    const compiled = await pipelinesOf(async () => {
      for (const length of [7, 64, 130])
        await expectRight(
          slidingWindow({left: length, right: 1}),
          {implementation: 'fused'},
          {queryLength: length, keyLength: length},
        );
      await expectRight(slidingWindow({left: 9}), {implementation: 'fused'}, {queryLength: 3, keyLength: 70, batch: 1});
    });
    expect(compiled).toEqual([]);
  });

  it('gives zeros for queries without keys, and honours queryOffset', async () => {
    await expectRight(slidingWindow({left: 1}), {implementation: 'fused'}, {queryLength: 40, keyLength: 17});
    const x = tf.randomNormal([1, 3, 8]);
    const output = await sparseAttention(x, x, x, causal(), {queryOffset: -1, implementation: 'fused'}).data();
    expect(Array.from(output.slice(0, 8))).toEqual(Array(8).fill(0));
    expect(output[8]).not.toBe(0);
  });

  it('adds a bias of any broadcast shape, −Infinity excluding keys', async () => {
    const inputs = randomInputs(SIZES, 2);
    const random = mulberry32(3);
    for (const shape of [
      [2, 2, 45, 45],
      [2, 1, 1, 45],
      [1, 2, 45, 1],
    ] as const) {
      const data = Float32Array.from({length: tf.util.sizeFromShape([...shape])}, () =>
        random() < 0.2 ? -Infinity : 4 * random(),
      );
      const output = sparseAttention(...tensorsOf(inputs), causal(), {bias: tf.tensor4d(data, [...shape]), scale: 0.3});
      await expectAttention(
        output,
        inputs,
        (q, k) => k <= q,
        {scale: 0.3, bias: broadcastBias(data, shape)},
        `bias ${shape.join()}`,
      );
    }
  });

  it('takes a bias that is stored as int32 behind a cast', async () => {
    const inputs = randomInputs(SIZES, 2);
    const allowed = tf.tensor(
      Array.from({length: 45}, (_, k) => k % 3 > 0),
      [45],
      'bool',
    );
    const bias = tf.cast(tf.logicalAnd(allowed, allowed), 'float32');
    const output = sparseAttention(...tensorsOf(inputs), causal(), {bias});
    await expectAttention(output, inputs, (q, k) => k <= q, {bias: (_b, _h, _q, k) => (k % 3 > 0 ? 1 : 0)});
  });

  it('takes a boolean tensor in place of a pattern', async () => {
    const inputs = randomInputs(SIZES, 4);
    const random = mulberry32(5);
    for (const shape of [
      [2, 2, 45, 45],
      [45, 45],
      [2, 1, 1, 45],
    ]) {
      const mask = Uint8Array.from({length: tf.util.sizeFromShape(shape)}, () => (random() < 0.6 ? 1 : 0));
      const full4 = [...Array<number>(4 - shape.length).fill(1), ...shape] as [number, number, number, number];
      const read = broadcastBias(Float32Array.from(mask), full4);
      const output = sparseAttention(...tensorsOf(inputs), tf.tensor(mask, shape, 'bool'));
      await expectAttention(output, inputs, (q, k, b, h) => read(b, h, q, k) === 1, {}, `mask ${shape.join()}`);
    }
  });

  it('reads a mask back as a pattern', async () => {
    const bits = Uint8Array.from({length: 45 * 45}, (_, i) => ((i * 7919) % 11 < 4 ? 1 : 0));
    const pattern = await patternFromMask(tf.tensor2d(bits, [45, 45], 'bool'));
    const inputs = randomInputs(SIZES, 6);
    await expectAttention(sparseAttention(...tensorsOf(inputs), pattern), inputs, (q, k) => bits[q * 45 + k] === 1);
  });

  it('takes rank 3 as one head', async () => {
    const inputs = randomInputs({...SIZES, heads: 1});
    const flat = tensorsOf(inputs).map((tensor) => tf.squeeze(tensor, [1])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const output = sparseAttention(...flat, prefix(9), {implementation: 'fused'});
    expect(output.shape).toEqual([2, 45, 8]);
    await expectAttention(output, inputs, (_q, k) => k < 9);
  });

  it('gives zero-size outputs for zero sizes without touching the device', async () => {
    const [empty, some] = [tf.zeros([1, 2, 0, 8]), tf.ones([1, 2, 5, 8])];
    expect(sparseAttention(empty, some, some, causal()).shape).toEqual([1, 2, 0, 8]);
    expect((await sparseAttention(some, empty, empty, causal()).data()).every((x) => x === 0)).toBeTrue();
  });

  it('has nothing to compile in the first call after prepare', async () => {
    const sizes = {...SIZES, headDim: 6, valueDim: 6, queryLength: 20, keyLength: 20};
    await prepare(strided({stride: 3}), {...sizes, implementation: 'fused'});
    expect(await pipelinesOf(() => expectRight(strided({stride: 3}), {implementation: 'fused'}, sizes))).toEqual([]);
  });

  it('nor in the first backward pass, where it was told of gradients, or with an option it was told of', async () => {
    const [queryLength, headDim] = [20, 7];
    const x = tf.randomNormal([1, 2, queryLength, headDim]);
    const slopes = tf.tensor1d([0.5, 0.25]);
    const shape = {queryLength, keyLength: queryLength, headDim, heads: 2, implementation: 'fused'} as const;
    await prepare(causal(), {...shape, options: ['alibiSlopes'], gradients: true});
    const attend = (query: tf.Tensor): tf.Tensor =>
      sparseAttention(query, x, x, causal(), {alibiSlopes: slopes, implementation: 'fused'});
    const train = async (): Promise<void> => {
      expect((await tf.grad(attend)(x).data()).some((value) => value !== 0)).toBeTrue();
    };
    expect((await pipelinesOf(train)).filter((name) => name.startsWith('SparseAttention'))).toEqual([]);
  });

  it('refuses tensors that one binding cannot hold, which tfjs would let pass silently', () => {
    // 4 GiB each, on paper: no buffer is made for a tensor before its first use.
    const huge = (): tf.Tensor => tf.engine().makeTensorFromTensorInfo(backend().makeTensorInfo([2 ** 14, 8, 1024, 8], 'float32'));
    const inUse = backend().bufferManager.numBytesUsed;
    expect(() => sparseAttention(huge(), huge(), huge(), causal())).toThrowError(
      SplatError,
      /^bytes of query: found 4294967296, expected at most .*maxStorageBufferBindingSize/,
    );
    const [wide, mask] = [
      () => tf.engine().makeTensorFromTensorInfo(backend().makeTensorInfo([1, 1, 2 ** 15, 4], 'float32')),
      tf.engine().makeTensorFromTensorInfo(backend().makeTensorInfo([2 ** 15, 2 ** 15], 'bool')),
    ];
    expect(() => sparseAttention(wide(), wide(), wide(), mask)).toThrowError(
      SplatError,
      /^bytes of mask: found 4294967296, expected at most .*maxStorageBufferBindingSize.*Or give the mask 1/,
    );
    expect(backend().bufferManager.numBytesUsed).toBe(inUse);
  });
});
