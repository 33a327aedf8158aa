// Histories of caches: what may happen to them, played on caches and on lists of tokens.
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {causal, globalTokens, prefix, type Pattern} from '../../src/pattern/index.js';
import {KvCache} from '../../src/index.js';
import type {KvCacheOptions} from '../../src/runtime/kv/kv_options.js';
import {alibiBias, expectWithin, mulberry32, oracle, sumOfBiases, type Bias} from '../oracle.js';
import {arbitraryPattern} from './arbitraries.js';
import {toHalf} from './halves.js';
import {window} from './kv_cases.js';

const [heads, headDim, valueDim, longest] = [2, 2, 2, 200];

/** What may happen to a cache of two sequences; `at` says to which of the caches. */
export type HistoryEvent = {readonly at?: number} & (
  | {readonly kind: 'append'; readonly counts: readonly [number, number]; readonly padding: number}
  | {readonly kind: 'rollback'; readonly share: number; readonly which: number}
  /** NaN and infinity come, as many as the option rollback allows, and are taken back. */
  | {readonly kind: 'poison'}
  | {readonly kind: 'reset'; readonly which: number}
  | {readonly kind: 'reorder' | 'fork'; readonly order: readonly [number, number]}
);

const arbitraryEvent = (): fc.Arbitrary<HistoryEvent> => {
  const at = fc.nat(2);
  const which = fc.nat(2);
  const order = fc.tuple(fc.nat(1), fc.nat(1));
  const counts = fc.tuple(fc.nat(9), fc.nat(9));
  return fc.oneof(
    {weight: 8, arbitrary: fc.record({kind: fc.constant('append' as const), at, counts, padding: fc.nat(2)})},
    {weight: 4, arbitrary: fc.record({kind: fc.constant('rollback' as const), at, share: fc.nat(12), which})},
    {weight: 3, arbitrary: fc.record({kind: fc.constant('poison' as const), at})},
    {weight: 1, arbitrary: fc.record({kind: fc.constant('reset' as const), at, which})},
    {weight: 3, arbitrary: fc.record({kind: fc.constantFrom('reorder' as const, 'fork' as const), at, order})},
  );
};

/** What is added to scores in every step. */
export interface HistoryScores {
  readonly bias?: boolean;
  readonly relative?: boolean;
  readonly alibi?: boolean;
  readonly layout?: 'blhd';
}

export interface Played {
  readonly refused: number;
  readonly rolledBack: number;
  readonly poisoned: number;
  readonly moved: number;
}

interface Token {
  readonly key: readonly number[];
  readonly value: readonly number[];
}

/** A cache and what it has to hold. */
interface Copy {
  readonly cache: KvCache;
  held: Token[][];
}

/** Plays the events on a cache, its forks, and on lists of tokens; every output is compared with attention over the lists. */
export async function play(
  pattern: Pattern,
  options: Partial<KvCacheOptions>,
  events: readonly HistoryEvent[],
  scores: HistoryScores = {},
): Promise<Played> {
  tf.engine().startScope();
  const random = mulberry32(9);
  const fresh = (size: number): number[] => Array.from({length: size}, () => 2 * random() - 1);
  const cache = new KvCache(pattern, {batch: 2, keyHeads: 1, headDim, maxLength: longest, ...options});
  const copies: Copy[] = [{cache, held: [[], []]}];
  const played = {refused: 0, rolledBack: 0, poisoned: 0, moved: 0};
  for (const each of events) {
    const copy = copies[(each.at ?? 0) % copies.length]!;
    const {cache: own, held} = copy;
    if (each.kind === 'append') await append(copy, pattern, each, {...scores, precision: options.precision}, fresh);
    else if (each.kind === 'rollback') {
      const counts = held.map((list, b) => (each.which === 2 || each.which === b ? Math.min(each.share, list.length) : 0));
      const before = own.lengths;
      try {
        own.rollback(counts);
        held.forEach((list, b) => list.splice(list.length - counts[b]!));
        played.rolledBack++;
      } catch {
        // The last tokens that the option promises can be forgotten after each append; more than that may be gone.
        expect(own.lengths).toEqual(before);
        played.refused++;
      }
    } else if (each.kind === 'poison') {
      const count = options.rollback ?? 0;
      if (count === 0) continue;
      const filled = (heads: number, value: number): tf.Tensor4D => tf.fill([2, heads, count, headDim], value);
      own.attend(filled(heads, 1), filled(1, random() < 0.5 ? NaN : Infinity), filled(1, random() < 0.5 ? NaN : -Infinity));
      own.rollback(count);
      played.poisoned++;
    } else if (each.kind === 'reset') {
      if (each.which === 2) own.reset();
      else own.reset(each.which);
      held.forEach((list, b) => (each.which === 2 || each.which === b) && list.splice(0));
    } else {
      const moved = each.order.map((b) => [...held[b]!]);
      if (each.kind === 'reorder') {
        own.reorder(each.order);
        copy.held = moved;
      } else if (copies.length < 3) copies.push({cache: own.fork(each.order), held: moved});
      played.moved++;
    }
    for (const {cache, held} of copies) expect(cache.lengths).toEqual(held.map((list) => list.length));
  }
  for (const {cache} of copies) cache.dispose();
  tf.engine().endScope();
  return played;
}

async function append(
  {cache, held}: Copy,
  pattern: Pattern,
  {counts, padding}: Extract<HistoryEvent, {kind: 'append'}>,
  {bias, relative, alibi, layout, precision}: HistoryScores & Pick<KvCacheOptions, 'precision'>,
  fresh: (size: number) => number[],
): Promise<void> {
  const m = Math.max(...counts) + padding;
  const query = fresh(2 * heads * m * headDim);
  // Padding may hold anything.
  const isPadding = (b: number, i: number): boolean => i >= counts[b]!;
  query.forEach((_, at) => {
    const row = Math.floor(at / headDim);
    if (isPadding(Math.floor(row / (heads * m)), row % m)) query[at] = NaN;
  });
  const added = held.map((_, b) =>
    Array.from({length: m}, (_, i) => {
      const [key, value] = [fresh(headDim), fresh(valueDim)];
      return isPadding(b, i) ? {key: key.fill(NaN), value: value.fill(Infinity)} : {key, value};
    }),
  );
  const flat = (name: 'key' | 'value'): number[] => added.flatMap((list) => list.flatMap((token) => token[name]));
  const swapped = (tensor: tf.Tensor4D): tf.Tensor4D => (layout === undefined ? tensor : tf.transpose(tensor, [0, 2, 1, 3]));
  // As many columns and entries as there may ever be, or as there are tokens by then; those of padding may be left out.
  const most = Math.max(1, ...held.map((list, b) => list.length + counts[b]!));
  const long = counts[0] % 2 === 0 ? longest : most;
  // Later on, entries of so few may be taken for those of the step alone, which is refused.
  const far = held.every((list) => list.length === 0) ? long : longest;
  const [pairs, entries, slopes] = [fresh(heads * m * long), fresh(heads * (2 * far - 1)), [0.5, 0.1]];
  const output = cache.attend(
    swapped(tf.tensor4d(query, [2, heads, m, headDim])),
    swapped(tf.tensor4d(flat('key'), [2, 1, m, headDim])),
    swapped(tf.tensor4d(flat('value'), [2, 1, m, valueDim])),
    {
      lengths: [...counts],
      ...(bias && {bias: tf.tensor3d(pairs, [heads, m, long])}),
      ...(relative && {relativeBias: tf.tensor2d(entries, [heads, 2 * far - 1])}),
      ...(alibi && {alibiSlopes: slopes}),
      ...(layout && {layout}),
    },
  );
  const data = await swapped(output).data();
  const rounded = precision === 'float16' ? toHalf : (x: number): number => x;
  held.forEach((list, b) => {
    const count = counts[b]!;
    const first = list.length;
    list.push(...added[b]!.slice(0, count));
    const shape = {queryLength: count, keyLength: list.length};
    const biases: Bias[] = [
      ...(bias ? [(_: number, h: number, q: number, k: number) => pairs[(h * m + q) * long + k]!] : []),
      ...(relative ? [(_: number, h: number, q: number, k: number) => entries[h * (2 * far - 1) + k - q - first + far - 1]!] : []),
      ...(alibi ? [alibiBias(slopes, first)] : []),
    ];
    const rowsOf = (h: number): number => (b * heads + h) * m * headDim;
    const expected = oracle(
      {
        ...{batch: 1, heads, keyHeads: 1, headDim, valueDim, ...shape},
        query: Float32Array.from(
          [0, 1].flatMap((h) => query.slice(rowsOf(h), rowsOf(h) + count * headDim)),
          rounded,
        ),
        key: Float32Array.from(
          list.flatMap(({key}) => key),
          rounded,
        ),
        value: Float32Array.from(
          list.flatMap(({value}) => value),
          rounded,
        ),
      },
      // As many keys as a pattern lists; later ones make no difference.
      (q, k) => pattern.attends(q, k, {queryLength: count, keyLength: longest, queryOffset: first}),
      {bias: sumOfBiases(...biases)},
    );
    for (let h = 0; h < heads; h++) {
      const own = data.slice(rowsOf(h), rowsOf(h) + m * valueDim);
      expect(own.slice(count * valueDim).every((x) => x === 0))
        .withContext('outputs of padding')
        .toBeTrue();
      const wanted = expected.slice(h * count * valueDim, (h + 1) * count * valueDim);
      expectWithin(own.slice(0, count * valueDim), wanted, 1e-5, `sequence ${b} of ${held.map((all) => all.length)} tokens`);
    }
  });
}

const SCORES: readonly HistoryScores[] = [
  ...[{}, {bias: true}, {relative: true}, {alibi: true}, {layout: 'blhd'} as const, {bias: true, relative: true, alibi: true}],
];

/** Plays random histories on caches of random patterns; `cache` may ask for more than they do. */
export async function playMany(numRuns: number, cache: Partial<KvCacheOptions> = {}, scores = SCORES): Promise<Played> {
  const sums = {refused: 0, rolledBack: 0, poisoned: 0, moved: 0};
  const pattern = fc.oneof(
    fc.constantFrom(causal(), window(5), prefix(2).or(window(4)).and(causal()), window(2, 3), globalTokens(3).and(causal())),
    arbitraryPattern().map((any) => any.and(prefix(3).or(window(8))).and(causal())),
  );
  await fc.assert(
    fc.asyncProperty(
      pattern,
      fc.nat(4),
      fc.integer({min: 1, max: 5}),
      fc.array(arbitraryEvent(), {maxLength: 20, size: 'max'}),
      fc.constantFrom(...scores),
      async (any, rollback, maxStep, events, added) => {
        const result = await play(any, {rollback, maxStep, ...cache}, events, added);
        for (const name of Object.keys(sums) as (keyof Played)[]) sums[name] += result[name];
      },
    ),
    {numRuns},
  );
  return sums;
}
