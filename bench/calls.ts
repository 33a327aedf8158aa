import * as tf from '@tensorflow/tfjs-core';
import type {GraphNode} from '@tensorflow/tfjs-converter';
import {causal, gelu, KvCache, layerNorm, prefix, slidingWindow, sparseAttention} from '../src/index.js';
import {runDenseNode} from '../src/model/run/dense_node.js';
import {NORMS_AND_ACTIVATIONS} from '../src/model/run/norm_nodes.js';
import {runGraphNode} from '../src/model/run/op.js';
import {LAYER_NORM} from '../src/runtime/ops/op_kernels.js';
import {finish, flush, onForgetful, type Gpu} from './gpu.js';
import type {CallRecord} from './records.js';
import {digits, median, textTable} from './table.js';

const MATMUL = 'tf.matMul';
/** On the backend as TensorFlow.js has it, which makes uniforms and bind groups in each call. */
const STOCK = 'tf.matMul, stock backend';
/** Calls of one kind before the next kind has its turn: what disturbs the machine meets all alike. */
const ROUND = 32;

/** What a repeated call costs the CPU: issued back to back, submitted as TensorFlow.js does, nobody waits for the device. */
export async function callRecords(gpu: Gpu, calls: number, which: 'attention' | 'all'): Promise<CallRecord[]> {
  const {ops: all, dispose} = repeated(gpu.software);
  const ops = which === 'all' ? all : all.slice(0, 3);
  const stock = await onForgetful(gpu, async () => {
    const own = factors(gpu.software);
    return {what: STOCK, own, op: () => tf.matMul(...own)};
  });
  const times = new Map([...ops, stock].map(({what}) => [what, [] as number[]]));
  const timed = ({what, op}: Pick<Repeated, 'what' | 'op'>, counts: boolean): void => {
    for (let i = 0; i < ROUND; i++) {
      const start = performance.now();
      tf.tidy(() => void op());
      if (counts) times.get(what)!.push((performance.now() - start) * 1000);
    }
  };
  // The first ones plan and compile, and are slow for a while.
  for (let done = -2 * ROUND; done < calls; done += ROUND) {
    for (const op of ops) {
      timed(op, done >= 0);
      await finish(gpu);
    }
    await onForgetful(gpu, async (backend) => {
      timed(stock, done >= 0);
      flush(backend);
      await gpu.device.queue.onSubmittedWorkDone();
    });
  }
  dispose();
  tf.dispose(stock.own);
  const [matMulUs, stockUs] = [MATMUL, STOCK].map((what) => median(times.get(what)!)) as [number, number];
  return [...times].map(([what, each]) => {
    const us = median(each);
    const over = {overMatMulUs: us - matMulUs, timesMatMul: us / matMulUs};
    return {kind: 'call', what, calls, us, ...(what !== MATMUL && over), timesStock: us / stockUs};
  });
}

export const callText = (records: readonly CallRecord[]): string =>
  textTable(
    ['repeated call', 'CPU µs', 'of tf.matMul', 'of the stock one'],
    records.map(({what, us, timesMatMul, timesStock}) => [what, digits(us), digits(timesMatMul), digits(timesStock)]),
  );

interface Repeated {
  readonly what: string;
  readonly op: () => unknown;
}

const random = (...shape: number[]): tf.Tensor => tf.randomUniform(shape, -1, 1);

/** Sizes make no difference to the CPU, but to one that plays GPU. */
const sizes = (software: boolean) => {
  const [heads, headDim, width, n] = software ? ([2, 8, 16, 64] as const) : ([8, 64, 768, 256] as const);
  return {heads, headDim, width, n};
};

/** Of a product. */
function factors(software: boolean): [tf.Tensor, tf.Tensor] {
  const {heads, headDim} = sizes(software);
  return [random(1, heads, headDim, headDim), random(1, heads, headDim, headDim)];
}

function repeated(software: boolean): {ops: readonly Repeated[]; dispose: () => void} {
  const {heads, headDim, width, n} = sizes(software);
  const [a, b] = factors(software);
  const [query, key, value] = [n, n, n].map((length) => random(1, heads, length, headDim)) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const [x, residual, gamma, beta] = [random(1, 128, width), random(1, 128, width), random(width), random(width)];
  const [matrix, bias] = [random(width, width), random(width)];
  const pattern = slidingWindow({left: 64, right: 64});
  const attend = (precision: 'float32' | 'float16') => () => sparseAttention(query, key, value, pattern, {precision});
  // As the executor does: a record of attributes for each run.
  const node = (inputs: tf.Tensor[], attrs: object): GraphNode => ({inputs, attrs: {...attrs}});
  const attrs = {
    ...{axes: 'bhld,bhld,bhld->bhld', terms: '', layout: 'bhld'},
    ...{pattern: String(pattern), implementation: 'auto', scale: 0.125},
  };
  const normed = {hasGamma: true, hasBeta: true, hasResidual: true};
  // Two layers that share a pattern: the first one of each token plans.
  const caches = [1, 2].map(
    () =>
      new KvCache(
        prefix(4)
          .or(slidingWindow({left: 511}))
          .and(causal()),
        {keyHeads: heads, headDim, maxStep: 1},
      ),
  );
  const [prompt, token] = [random(1, heads, 700, headDim), random(1, heads, 1, headDim)];
  for (const cache of caches) cache.attend(prompt, prompt, prompt).dispose();
  const ops = [
    {what: MATMUL, op: () => tf.matMul(a, b)},
    {what: 'sparseAttention float32', op: attend('float32')},
    {what: 'sparseAttention float16', op: attend('float16')},
    {what: 'graph node of attention', op: () => runGraphNode(node([query, key, value], attrs))},
    {what: 'layerNorm with residual', op: () => layerNorm(x, gamma, beta, {residual})},
    {what: 'graph node of layerNorm', op: () => NORMS_AND_ACTIVATIONS[LAYER_NORM]!(node([x, gamma, beta, residual], normed))},
    {what: 'gelu', op: () => gelu(x)},
    {what: 'graph node of a dense layer', op: () => runDenseNode(node([x, matrix, bias], {}))},
    {what: 'tf.fused.matMul of the same', op: () => tf.fused.matMul({a: x as tf.Tensor3D, b: matrix as tf.Tensor2D, bias})},
    {what: 'decoding step of two layers', op: () => caches.map((cache) => cache.attend(token, token, token))},
    {what: 'tf.matMul twice', op: () => [tf.matMul(a, b), tf.matMul(a, b)]},
  ];
  return {
    ops,
    dispose: () => {
      for (const cache of caches) cache.dispose();
      tf.dispose([a, b, query, key, value, x, residual, gamma, beta, matrix, bias, prompt, token]);
    },
  };
}
