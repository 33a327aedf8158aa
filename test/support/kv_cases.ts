import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {reachOf} from '../../src/acsr/index.js';
import {blockLocal, causal, globalTokens, prefix, slidingWindow, strided, type Pattern} from '../../src/pattern/index.js';
import {KvCache} from '../../src/runtime/kv_cache.js';
import type {KvAttendOptions, KvCacheOptions} from '../../src/runtime/kv_check.js';
import {
  expectAttention,
  expectWithin,
  mulberry32,
  oracle,
  randomInputs,
  type AttentionInputs,
  type OracleOptions,
} from '../oracle.js';
import {arbitraryPattern} from './arbitraries.js';
import {inHalves} from './halves.js';

export const window = (left: number, dilation = 1): Pattern => slidingWindow({left, dilation});
export const CACHE = {batch: 2, keyHeads: 2, headDim: 6, valueDim: 4};
export const SIZES = {...CACHE, heads: 2};

export type Tensors = readonly [query: tf.Tensor4D, key: tf.Tensor4D, value: tf.Tensor4D];

export function tensorsOf(inputs: AttentionInputs): Tensors {
  const {batch, heads, keyHeads = heads, queryLength, keyLength, headDim, valueDim} = inputs;
  return [
    tf.tensor4d(inputs.query, [batch, heads, queryLength, headDim]),
    tf.tensor4d(inputs.key, [batch, keyHeads, keyLength, headDim]),
    tf.tensor4d(inputs.value, [batch, keyHeads, keyLength, valueDim]),
  ];
}

/** The tokens `from ≤ i < from + count` of each tensor. */
export const tokens = (tensors: Tensors, from: number, count: number): [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D] =>
  tensors.map((tensor) => tf.slice(tensor, [0, 0, from, 0], [-1, -1, count, -1])) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];

/** The outputs of a whole sequence that arrives in steps of these sizes; `around` calls all but the first, which is the prompt. */
export function decode(
  cache: KvCache,
  tensors: Tensors,
  steps: readonly number[],
  options: KvAttendOptions = {},
  around = (step: () => tf.Tensor4D): tf.Tensor4D => step(),
): tf.Tensor4D {
  let from = 0;
  const outputs = steps.map((count, index) => {
    const step = (): tf.Tensor4D => cache.attend(...tokens(tensors, from, count), options);
    const output = index === 0 ? step() : around(step);
    from += count;
    return output;
  });
  return tf.concat(outputs, 2);
}

/** `length` as a prompt and steps of `step`. */
export function split(length: number, prompt: number, step: number): number[] {
  const steps = [Math.min(prompt, length)];
  for (let at = prompt; at < length; at += step) steps.push(Math.min(step, length - at));
  return steps.filter((count) => count > 0);
}

export interface Run {
  readonly length: number;
  readonly steps: readonly number[];
  readonly cache?: Partial<KvCacheOptions>;
  readonly sizes?: Partial<typeof SIZES>;
  readonly options?: KvAttendOptions;
  readonly oracle?: OracleOptions;
  readonly around?: (step: () => tf.Tensor4D) => tf.Tensor4D;
}

export async function expectCausalRun(pattern: Pattern, run: Run, what: string): Promise<void> {
  const {length, steps} = run;
  const sizes = {...SIZES, ...run.sizes};
  const inputs = randomInputs({...sizes, queryLength: length, keyLength: length});
  const needsMax = reachOf(pattern).back === Infinity;
  const {heads, ...ofCache} = sizes;
  const cache = new KvCache(pattern, {...ofCache, ...(needsMax && {maxLength: length}), ...run.cache});
  const output = decode(cache, tensorsOf(inputs), steps, run.options, run.around);
  expect(output.shape).toEqual([sizes.batch, heads, length, sizes.valueDim]);
  expect(cache.lengths).toEqual(new Array<number>(sizes.batch).fill(length));
  const seen = run.cache?.precision === 'float16' ? inHalves(inputs) : inputs;
  await expectAttention(output, seen, (q, k) => pattern.attends(q, k, inputs), run.oracle, what);
  cache.dispose();
}

export const CAUSAL_PATTERNS: [string, Pattern][] = [
  ['a window and sinks', prefix(4).or(window(15)).and(causal())],
  ['a window', window(9)],
  ['a dilated window', window(4, 5)],
  ['strides', strided({stride: 5}).and(causal()).or(window(3))],
  ['blocks', blockLocal({size: 12}).and(causal())],
  ['a prefix or a window', prefix(7).or(window(5)).and(causal())],
  ['global tokens', globalTokens(4).or(window(11)).and(causal())],
  ['listed tokens', globalTokens([0, 17, 50]).or(window(6)).and(causal())],
  ['sinks alone', prefix(3).and(causal())],
  ['causal', causal()],
  ['three strides', window(9, 2).or(window(8, 5)).or(window(3))],
  ['rows without keys', window(10).and(prefix(20).not()).and(causal())],
];

const [heads, headDim, valueDim] = [1, 2, 2];

/** What may happen to a cache of two sequences. */
export type HistoryEvent =
  | {readonly kind: 'append'; readonly counts: readonly [number, number]; readonly padding: number}
  | {readonly kind: 'rollback'; readonly share: number; readonly which: number};
const arbitraryEvent: fc.Arbitrary<HistoryEvent> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({kind: fc.constant('append' as const), counts: fc.tuple(fc.nat(9), fc.nat(9)), padding: fc.nat(2)}),
  },
  {weight: 1, arbitrary: fc.record({kind: fc.constant('rollback' as const), share: fc.nat(6), which: fc.nat(2)})},
);

/** Plays the events on a cache and on lists of tokens; every output is compared with attention over the lists. */
export async function play(
  pattern: Pattern,
  options: Partial<KvCacheOptions>,
  events: readonly HistoryEvent[],
): Promise<{refused: number; rolledBack: number}> {
  tf.engine().startScope();
  const random = mulberry32(9);
  const fresh = (size: number): number[] => Array.from({length: size}, () => 2 * random() - 1);
  const cache = new KvCache(pattern, {batch: 2, keyHeads: 1, headDim, maxLength: 200, ...options});
  const held: {key: number[]; value: number[]}[][] = [[], []];
  let [refused, rolledBack] = [0, 0];
  for (const each of events) {
    if (each.kind === 'rollback') {
      const counts = held.map((list, b) => (each.which === 2 || each.which === b ? Math.min(each.share, list.length) : 0));
      const before = cache.lengths;
      try {
        cache.rollback(counts);
      } catch {
        // The last tokens that the option promises can be forgotten after each append; more than that may be gone.
        expect(cache.lengths).toEqual(before);
        refused++;
        continue;
      }
      rolledBack++;
      held.forEach((list, b) => list.splice(list.length - counts[b]!));
    } else {
      const m = Math.max(...each.counts) + each.padding;
      const query = fresh(2 * m * headDim);
      const added = held.map(() => Array.from({length: m}, () => ({key: fresh(headDim), value: fresh(valueDim)})));
      const flat = (name: 'key' | 'value'): number[] => added.flatMap((list) => list.flatMap((token) => token[name]));
      const output = cache.attend(
        tf.tensor4d(query, [2, heads, m, headDim]),
        tf.tensor4d(flat('key'), [2, 1, m, headDim]),
        tf.tensor4d(flat('value'), [2, 1, m, valueDim]),
        {lengths: [...each.counts]},
      );
      const data = await output.data();
      held.forEach((list, b) => {
        const count = each.counts[b]!;
        const own = data.slice(b * m * valueDim, (b + 1) * m * valueDim);
        expect(own.slice(count * valueDim).every((x) => x === 0))
          .withContext('outputs of padding')
          .toBeTrue();
        list.push(...added[b]!.slice(0, count));
        const shape = {queryLength: count, keyLength: list.length};
        const expected = oracle(
          {
            ...{batch: 1, heads, headDim, valueDim, ...shape},
            query: Float32Array.from(query.slice(b * m * headDim, (b * m + count) * headDim)),
            key: Float32Array.from(list.flatMap(({key}) => key)),
            value: Float32Array.from(list.flatMap(({value}) => value)),
          },
          (q, k) => pattern.attends(q, k, shape),
        );
        expectWithin(own.slice(0, count * valueDim), expected, 1e-5, `sequence ${b} of ${held.map((all) => all.length)} tokens`);
      });
    }
    expect(cache.lengths).toEqual(held.map((list) => list.length));
  }
  cache.dispose();
  tf.engine().endScope();
  return {refused, rolledBack};
}

/** Plays random histories on caches of random patterns; `cache` may ask for more than they do. */
export async function playMany(
  numRuns: number,
  cache: Partial<KvCacheOptions> = {},
): Promise<{refused: number; rolledBack: number}> {
  let [refused, rolledBack] = [0, 0];
  const pattern = fc.oneof(
    fc.constantFrom(causal(), window(5), prefix(2).or(window(4)).and(causal()), window(2, 3), globalTokens(3).and(causal())),
    arbitraryPattern().map((any) => any.and(prefix(3).or(window(8))).and(causal())),
  );
  await fc.assert(
    fc.asyncProperty(
      pattern,
      fc.nat(4),
      fc.integer({min: 1, max: 5}),
      fc.array(arbitraryEvent, {maxLength: 14}),
      async (any, rollback, maxStep, events) => {
        const result = await play(any, {rollback, maxStep, ...cache}, events);
        refused += result.refused;
        rolledBack += result.rolledBack;
      },
    ),
    {numRuns},
  );
  return {refused, rolledBack};
}
