import '@tensorflow/tfjs-backend-cpu';
import type {GraphNode} from '@tensorflow/tfjs-converter';
import {concat, memory, randomNormal, reshape, setBackend, slice, tidy, transpose, type Tensor} from '@tensorflow/tfjs-core';
import {runGraphNode} from '../../src/model/run/op.js';
import {expectWithin} from '../oracle.js';

const [BATCH, QUERIES, KEYS, HEADS, KEY_HEADS, DIM] = [2, 5, 7, 4, 2, 3];
const OWN = HEADS * DIM;
const KEY_OWN = KEY_HEADS * DIM;

/** As the executor hands a node on. */
const run = (inputs: Tensor[], attrs: Record<string, unknown>): Tensor => {
  const all = {
    pattern: 'full()',
    implementation: 'auto',
    scale: 0.5,
    terms: '',
    layout: 'blhd',
    heads: HEADS,
    key_heads: KEY_HEADS,
    ...attrs,
  };
  return runGraphNode({inputs, attrs: all} as Partial<GraphNode> as GraphNode);
};

describe('a SparseAttention node over parts of larger tensors', () => {
  beforeAll(() => setBackend('cpu'));

  const random = (shape: number[], seed: number): Tensor => randomNormal(shape, 0, 1, 'float32', seed);
  let query: Tensor, key: Tensor, value: Tensor, queries: Tensor, whole: Tensor;
  beforeAll(() => {
    query = random([BATCH, QUERIES, OWN], 1);
    [key, value] = [random([BATCH, KEYS, KEY_OWN], 2), random([BATCH, KEYS, KEY_OWN], 3)];
    // Values come first, with something else between.
    whole = concat([random([BATCH, KEYS, DIM], 4), value, random([BATCH, KEYS, 2 * DIM], 5), key], 2);
    queries = concat([random([BATCH, QUERIES, 2 * DIM], 6), query], 2);
  });
  const firsts = `${2 * DIM},${KEY_OWN + 3 * DIM},${DIM}`;

  const CASES: Readonly<Record<string, readonly [terms: readonly number[][], attrs: Record<string, unknown>]>> = {
    'nothing added': [[], {}],
    'its heads apart': [[], {writes: 'blhd'}],
    'a mask of keys': [[[BATCH, 1, 1, KEYS]], {terms: 'add:2'}],
    'a factor of each row, so that queries are made anew': [[[BATCH, HEADS, QUERIES, 1]], {terms: 'times'}],
    'the layout of heads before lengths': [[], {layout: 'bhld'}],
    'a broadcast that asks for nothing': [[], {broadcast: `${BATCH},1,1,${KEYS}`}],
  };
  for (const [what, [shapes, {writes = 'blf', ...attrs}]] of Object.entries(CASES))
    it(`is that over tensors of their own: ${what}`, async () => {
      const axes = `blf,blf,blf->${String(writes)}`;
      const terms = shapes.map((shape) => random(shape, 7));
      const expected = run([query, key, value, ...terms], {...attrs, axes});
      const start = memory().numTensors;
      const found = run([queries, whole, whole, ...terms], {...attrs, axes, firsts, head_dim: DIM});
      expect(memory().numTensors).toBe(start + 1);
      expect(found.shape).toEqual(expected.shape);
      expectWithin(await found.data(), await expected.data(), 1e-6);
    });

  it('may read queries with their heads apart, in either order', async () => {
    const apart = reshape(query, [BATCH, QUERIES, HEADS, DIM]);
    const expected = run([query, key, value], {axes: 'blf,blf,blf->blf'});
    const own = {firsts: firsts.replace(/^\d+/, '0'), head_dim: DIM};
    for (const [first, axes] of [
      [apart, 'blhd,blf,blf->blf'],
      [transpose(apart, [0, 2, 1, 3]), 'bhld,blf,blf->blf'],
    ] as const) {
      const found = run([first, whole, whole], {...own, axes});
      expectWithin(await found.data(), await expected.data(), 1e-6);
    }
  });

  it('spreads one sequence over those of a mask', async () => {
    const [one, ofKeys] = tidy(() => [slice(queries, [0, 0, 0], [1, -1, -1]), slice(whole, [0, 0, 0], [1, -1, -1])]);
    const mask = random([3, 1, 1, KEYS], 10);
    const found = run([one!, ofKeys!, ofKeys!, mask], {axes: 'blf,blf,blf->blf', terms: 'add:1', firsts, head_dim: DIM});
    const part = (tensor: Tensor, first: number, size: number): Tensor => slice(tensor, [0, 0, first], [1, -1, size]);
    const [q, k, v] = [part(one!, 2 * DIM, OWN), part(ofKeys!, KEY_OWN + 3 * DIM, KEY_OWN), part(ofKeys!, DIM, KEY_OWN)];
    const expected = run([q, k, v, mask], {axes: 'blf,blf,blf->blf', terms: 'add:1'});
    expect(found.shape).toEqual([3, QUERIES, OWN]);
    expectWithin(await found.data(), await expected.data(), 1e-6);
  });

  it('is refused where heads of queries have other features', () => {
    const apart = reshape(query, [BATCH, QUERIES, HEADS, DIM]);
    expect(() => run([apart, whole, whole], {axes: 'blhd,blf,blf->blf', firsts: '0,0,0', head_dim: DIM - 1})).toThrowError(
      /SparseAttention firsts: found 0 beside \[2,5,4,3\]/,
    );
  });

  it('is refused where it would read past its tensors, or something else', () => {
    const axes = 'blf,blf,blf->blf';
    for (const attrs of [
      {firsts: `${3 * DIM},0,0`, head_dim: DIM},
      {firsts: `0,0,${6 * DIM}`, head_dim: DIM},
      {firsts, head_dim: 3 * DIM},
      {firsts, head_dim: undefined},
      {firsts, head_dim: DIM, heads: undefined},
      {firsts: '0,x,0', head_dim: DIM},
    ])
      expect(() => run([queries, whole, whole], {axes, ...attrs}))
        .withContext(JSON.stringify(attrs))
        .toThrowMatching((error) => /SparseAttention (firsts|head_dim|heads)/.test(String(error)));
  });
});
