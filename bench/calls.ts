import * as tf from '@tensorflow/tfjs-core';
import {slidingWindow, sparseAttention} from '../src/index.js';
import {finish, type Gpu} from './gpu.js';
import type {CallRecord} from './records.js';
import {median} from './table.js';

/** What a repeated call costs the CPU: issued back to back, submitted as TensorFlow.js does, nobody waits for the device. */
export async function callRecords(gpu: Gpu, calls: number): Promise<CallRecord[]> {
  const random = (length: number): tf.Tensor4D => tf.randomUniform<tf.Rank.R4>([1, 8, length, 64], -1, 1);
  const [a, b] = [random(64), random(64)];
  const [query, key, value] = [random(256), random(256), random(256)];
  const pattern = slidingWindow({left: 64, right: 64});
  const attend = (precision: 'float32' | 'float16') => () => sparseAttention(query, key, value, pattern, {precision});
  const matMul = 'tf.matMul, 8 × 64 × 64';
  const ops: readonly {readonly what: string; readonly op: () => tf.Tensor}[] = [
    {what: matMul, op: () => tf.matMul(a, b)},
    {what: 'sparseAttention float32, n = 256', op: attend('float32')},
    {what: 'sparseAttention float16, n = 256', op: attend('float16')},
  ];
  const best = new Map<string, number>();
  // Twice in turn, the better counts: what disturbs one round spares the other, and all are warm in the second.
  for (let round = 0; round < 2; round++) {
    for (const {what, op} of ops) best.set(what, Math.min(best.get(what) ?? Infinity, await medianUs(gpu, op, calls)));
  }
  tf.dispose([a, b, query, key, value]);
  return ops.map(({what}) => ({
    kind: 'call',
    what,
    calls,
    us: best.get(what)!,
    ...(what !== matMul && {overMatMulUs: best.get(what)! - best.get(matMul)!}),
  }));
}

async function medianUs(gpu: Gpu, op: () => tf.Tensor, calls: number): Promise<number> {
  const call = (): void => {
    tf.tidy(() => {
      op();
    });
  };
  // The first one plans and compiles.
  for (let i = 0; i < 3; i++) call();
  await finish(gpu);
  const times: number[] = [];
  for (let i = 0; i < calls; i++) {
    const start = performance.now();
    call();
    times.push((performance.now() - start) * 1000);
  }
  await finish(gpu);
  return median(times);
}
