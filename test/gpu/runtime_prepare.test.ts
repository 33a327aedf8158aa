import * as tf from '@tensorflow/tfjs-core';
import {causal, prepare, sparseAttention, type ScoreOption, type SparseAttentionOptions} from '../../src/index.js';
import {cacheSize} from '../../src/runtime/call/cache.js';
import {host} from '../support/attend.js';
import {withWholeLaunches} from '../support/whole_launches.js';

const [batch, heads, keyHeads, length, headDim] = [2, 4, 2, 12, 4];
const SHAPE = {batch, heads, keyHeads, queryLength: length, keyLength: length, headDim, implementation: 'fused'} as const;

/** What a call with the option brings. `known`: numbers and shapes of it that `prepare` is told nothing of travel in a uniform. */
const OPTIONS: Record<ScoreOption, {readonly options: () => SparseAttentionOptions; readonly known: boolean}> = {
  bias: {options: () => ({bias: tf.zeros([heads, length, length])}), known: false},
  softcap: {options: () => ({softcap: 20}), known: false},
  relativeBias: {options: () => ({relativeBias: tf.zeros([heads, 2 * length - 1])}), known: false},
  dropout: {options: () => ({dropout: 0.25, seed: 3}), known: false},
  alibiSlopes: {options: () => ({alibiSlopes: tf.ones([heads])}), known: true},
  keyLengths: {options: () => ({keyLengths: tf.fill([batch], length - 1, 'int32')}), known: true},
  segmentIds: {
    options: () => ({segmentIds: {query: tf.zeros([batch, length], 'int32'), key: tf.zeros([batch, length], 'int32')}}),
    known: true,
  },
  sinks: {options: () => ({sinks: tf.zeros([heads])}), known: true},
};

const attend = (query: tf.Tensor, options: SparseAttentionOptions): tf.Tensor =>
  sparseAttention(query, tf.ones([batch, keyHeads, length, headDim]), tf.ones([batch, keyHeads, length, headDim]), causal(), {
    implementation: 'fused',
    ...options,
  });

/** What `call` plans, uploads of ours and compiles. */
async function workOf(call: () => tf.Tensor): Promise<{plans: number; uploads: string[]; pipelines: number}> {
  const [plans, {pipelines}] = [cacheSize(), host()];
  const compiled = pipelines.size;
  const upload = spyOn(host(), 'upload').and.callThrough();
  await call().data();
  const uploads = upload.calls.allArgs().map(([, label]) => label);
  upload.and.callThrough();
  return {plans: cacheSize() - plans, uploads, pipelines: pipelines.size - compiled};
}

describe('a call after prepare plans, uploads and compiles nothing', () => {
  withWholeLaunches();
  const query = (): tf.Tensor => tf.randomNormal([batch, heads, length, headDim]);

  it('without options', async () => {
    await prepare(causal(), SHAPE);
    expect(await workOf(() => attend(query(), {}))).toEqual({plans: 0, uploads: [], pipelines: 0});
  });

  for (const [name, {options, known}] of Object.entries(OPTIONS)) {
    it(`with ${name}`, async () => {
      await prepare(causal(), {...SHAPE, options: [name as ScoreOption]});
      const {plans, uploads, pipelines} = await workOf(() => attend(query(), options()));
      expect([plans, pipelines]).toEqual([0, 0]);
      expect(uploads.filter((label) => known || !label.endsWith('.params'))).toEqual([]);
    });
  }

  it('with float16 storage', async () => {
    await prepare(causal(), {...SHAPE, precision: 'float16'});
    expect(await workOf(() => attend(query(), {precision: 'float16'}))).toEqual({plans: 0, uploads: [], pipelines: 0});
  });

  it('under a gradient and without, where it was told of gradients', async () => {
    await prepare(causal(), {...SHAPE, gradients: true, options: ['sinks']});
    const sinks = tf.zeros([heads]);
    const x = query();
    const ours = await workOf(() => attend(x, {sinks}));
    expect(ours).toEqual({plans: 0, uploads: [], pipelines: 0});
  });

  it('in the backward pass', async () => {
    await prepare(causal(), {...SHAPE, gradients: true});
    expect(await workOf(() => tf.grad((x) => attend(x, {}))(query()))).toEqual({plans: 0, uploads: [], pipelines: 0});
  });
});
