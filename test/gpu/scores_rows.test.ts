import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {attentionWeights, capture, fromMask, perHead, sddmm, slidingWindow, sparseSoftmax, spmm} from '../../src/index.js';
import {compressLines} from '../../src/pure.js';
import {choosesRows} from '../../src/runtime/scores/choose.js';
import {SparseScores, tableOf} from '../../src/runtime/scores/sparse_scores.js';
import {expectWithin, mulberry32} from '../oracle.js';
import {specifyMatrices} from '../support/matrix_products.js';
import {poisonPool} from '../support/product_cases.js';
import {specifyPairs} from '../support/score_cases.js';

const LIMIT = 4e-6;

const draw = (shape: number[], seed: number): tf.Tensor => {
  const random = mulberry32(seed);
  return tf.tensor(
    Float32Array.from({length: tf.util.sizeFromShape(shape)}, () => 2 * random() - 1),
    shape,
  );
};

interface RandomTable {
  readonly rows: number;
  readonly keys: number;
  /** Of pairs, but for the first row, which has all keys, and the last, which has none. */
  readonly density: number;
  readonly keyHeads: 1 | 2;
  readonly ownHeads: boolean;
  readonly layout: 'bhld' | 'blhd';
  readonly seed: number;
}

const HEADS = 2;
const BATCH = 2;
const DIM = 6;

const masksOf = ({rows, keys, density, ownHeads, seed}: RandomTable): Uint8Array[] => {
  const random = mulberry32(seed);
  const mask = (): Uint8Array =>
    Uint8Array.from({length: rows * keys}, (_, i) => (i < keys ? 1 : i >= (rows - 1) * keys ? 0 : Number(random() < density)));
  return Array.from({length: ownHeads ? HEADS : 1}, mask);
};

/** Any weights of a table of random rows, with its pairs in the order of its numbers. */
function tableOfMasks(given: RandomTable): {
  readonly weights: SparseScores;
  readonly pairs: [line: number, q: number, k: number, at: number][];
} {
  const {rows, keys, seed} = given;
  const masks = masksOf(given);
  const patterns = masks.map((mask) => fromMask(mask, {queryLength: rows, keyLength: keys}));
  const zeros = [rows, keys].map((length) => tf.zeros<tf.Rank.R4>([BATCH, HEADS, length, 1])) as [tf.Tensor4D, tf.Tensor4D];
  const scores = sddmm(...zeros, patterns.length === 1 ? patterns[0]! : perHead(patterns));
  const weights = scores.withValues(draw(scores.values.shape, seed + 1));
  const pairs: [number, number, number, number][] = [];
  for (let line = 0; line < BATCH * HEADS; line++) {
    const mask = masks[(line % HEADS) % masks.length]!;
    let at = line * scores.nnz;
    mask.forEach((shows, i) => shows && pairs.push([line, Math.floor(i / keys), i % keys, at++]));
  }
  return {weights, pairs};
}

/** Products by rows and by columns, and their gradients, against sums over pairs in float64. */
async function expectProducts(given: RandomTable): Promise<void> {
  tf.engine().startScope();
  const {rows, keys, keyHeads, layout, seed} = given;
  const {weights, pairs} = tableOfMasks(given);
  expect(choosesRows(tableOf(weights))).toBe('kernels');
  const numbers = await weights.values.data();
  for (const transposed of [false, true]) {
    const [from, to] = transposed ? [rows, keys] : [keys, rows];
    const shapeOf = (heads: number, length: number): number[] =>
      layout === 'bhld' ? [BATCH, heads, length, DIM] : [BATCH, length, heads, DIM];
    const placeOf = (heads: number, length: number, line: number, head: number, row: number): number => {
      const sequence = Math.floor(line / HEADS);
      return DIM * (layout === 'bhld' ? (sequence * heads + head) * length + row : (sequence * length + row) * heads + head);
    };
    const [x, back] = [draw(shapeOf(keyHeads, from), seed + 2), draw(shapeOf(HEADS, to), seed + 3)];
    const [own, up] = [await x.data(), await back.data()];
    const product = (w: tf.Tensor, y: tf.Tensor): tf.Tensor => {
      const table = weights.withValues(w);
      return spmm(transposed ? table.transpose() : table, y, {layout});
    };
    poisonPool([back.shape, x.shape, weights.values.shape]);
    const output = product(weights.values, x);
    const [dWeights, dX] = tf.grads(product)([weights.values, x], back) as [tf.Tensor, tf.Tensor];
    const [sums, ofWeights, ofX] = [back.size, numbers.length, own.length].map((size) => new Float64Array(size)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    for (const [line, q, k, at] of pairs) {
      const [row, column] = transposed ? [k, q] : [q, k];
      const head = line % HEADS;
      const [to0, from0] = [
        placeOf(HEADS, to, line, head, row),
        placeOf(keyHeads, from, line, Math.floor((head * keyHeads) / HEADS), column),
      ];
      for (let d = 0; d < DIM; d++) {
        sums[to0 + d]! += numbers[at]! * own[from0 + d]!;
        ofWeights[at]! += up[to0 + d]! * own[from0 + d]!;
        ofX[from0 + d]! += up[to0 + d]! * numbers[at]!;
      }
    }
    const what = `${transposed ? 'transposed ' : ''}${JSON.stringify(given)}`;
    expectWithin(await output.data(), sums, 10 * LIMIT, `product, ${what}`);
    expectWithin(await dWeights.data(), ofWeights, 10 * LIMIT, `gradient of weights, ${what}`);
    expectWithin(await dX.data(), ofX, 10 * LIMIT, `gradient of x, ${what}`);
  }
  tf.engine().endScope();
}

const arbitraryTable: fc.Arbitrary<RandomTable> = fc.record({
  rows: fc.integer({min: 2, max: 60}),
  keys: fc.integer({min: 1, max: 200}),
  density: fc.constantFrom(0, 0.03, 0.3),
  keyHeads: fc.constantFrom(1, 2),
  ownHeads: fc.boolean(),
  layout: fc.constantFrom('bhld', 'blhd'),
  seed: fc.nat(1e6),
});

/** softmax in float64 of numbers, of which −∞ are hidden. */
function softmaxOf(scores: readonly number[], sink: number | null): number[] {
  const most = Math.max(...scores, sink ?? -Infinity);
  if (most === -Infinity) return scores.map(() => 0);
  const sum = [...scores, ...(sink === null ? [] : [sink])].reduce((all, score) => all + Math.exp(score - most), 0);
  return scores.map((score) => Math.exp(score - most) / sum);
}

describe('sparse matrices on WebGPU:', () => specifyMatrices(LIMIT));

describe('packed scores row by row:', () => {
  specifyPairs(LIMIT, 1);

  it('products and their gradients are sums over pairs, of random rows, long ones in parts', () =>
    fc.assert(fc.asyncProperty(arbitraryTable, expectProducts), {numRuns: 4}));

  // Each way in which lanes share rows.
  for (const longest of [16, 50, 100, 513, 900, 3000])
    it(`softmax of rows of up to ${longest}, with its gradients`, async () => {
      tf.engine().startScope();
      const lengths = [longest, 0, 1, Math.ceil(longest / 2), 2];
      const mask = new Uint8Array(lengths.length * longest);
      lengths.forEach((length, row) => mask.fill(1, row * longest, row * longest + Math.min(length, longest)));
      const pattern = fromMask(mask, {queryLength: lengths.length, keyLength: longest});
      const zeros = (length: number): tf.Tensor4D => tf.zeros([1, 2, length, 1]);
      const table = sddmm(zeros(lengths.length), zeros(longest), pattern);
      const random = mulberry32(longest);
      // Far apart, some hidden, and a row of which all are.
      const numbers = Float32Array.from({length: 2 * table.nnz}, (_, i) =>
        i % table.nnz >= table.nnz - 2 || random() < 0.2 ? -Infinity : 60 * random() - 30,
      );
      const values = tf.tensor(numbers, table.values.shape);
      for (const logits of [null, [3, -Infinity]]) {
        const sinks = logits === null ? null : tf.tensor1d(logits);
        const back = draw(table.values.shape, 5);
        poisonPool([values.shape, [1, 2, lengths.length]]);
        const found = sparseSoftmax(table.withValues(values), {sinks}).values;
        const gradients = tf.grads((v: tf.Tensor, s?: tf.Tensor) => sparseSoftmax(table.withValues(v), {sinks: s}).values)(
          sinks === null ? [values] : [values, sinks],
          back,
        );
        const up = await back.data();
        const [expected, dScores] = [new Float64Array(numbers.length), new Float64Array(numbers.length)];
        const dSinks = [0, 0];
        for (const head of [0, 1])
          lengths.forEach((_, row) => {
            const [from, end] = [table.rowOffsets[row]!, table.rowOffsets[row + 1]!].map((at) => head * table.nnz + at) as [
              number,
              number,
            ];
            const weights = softmaxOf([...numbers.subarray(from, end)], logits === null ? null : logits[head]!);
            const sum = weights.reduce((all, weight, i) => all + weight * up[from + i]!, 0);
            const total = weights.reduce((all, weight) => all + weight, 0);
            expected.set(weights, from);
            weights.forEach((weight, i) => (dScores[from + i] = weight * (up[from + i]! - sum)));
            dSinks[head]! -= (1 - total) * sum;
          });
        expectWithin(await found.data(), expected, LIMIT, `weights, sinks ${logits}`);
        expectWithin(await gradients[0]!.data(), dScores, LIMIT, `gradient of scores, sinks ${logits}`);
        if (sinks !== null) expectWithin(await gradients[1]!.data(), dSinks, LIMIT, 'gradient of sinks');
      }
      tf.engine().endScope();
    });

  it('more workgroups than an axis of the grid has', async () => {
    const [heads, n, dim] = [64, 2100, 33];
    const pattern = slidingWindow({left: 0});
    const sizes = {batch: 1, heads, queryLength: n, keyLength: n, queryOffset: 0};
    const lines = compressLines(pattern, {...sizes, keyHeads: 1});
    const values = tf.reshape(tf.range(0, heads * n, 1), [1, heads, n]) as tf.Tensor3D;
    const x = tf.ones([1, 1, n, dim]);
    const output = spmm(new SparseScores({pattern, lines, sizes}, values), x);
    const found = (await output.data()) as Float32Array;
    expect(found.every((number, i) => number === Math.floor(i / dim))).toBeTrue();
    tf.dispose([values, x, output]);
  });

  it('are the same twice', async () => {
    const given: RandomTable = {rows: 9, keys: 190, density: 0.5, keyHeads: 2, ownHeads: true, layout: 'bhld', seed: 9};
    tf.engine().startScope();
    const {weights} = tableOfMasks(given);
    const x = draw([BATCH, HEADS, given.keys, DIM], 1);
    expect(await spmm(weights, x).data()).toEqual(await spmm(weights, x).data());
    tf.engine().endScope();
  });

  it('take one kernel each, gradients as many as they must, and read nothing back', async () => {
    tf.engine().startScope();
    const x = draw([1, 2, 32, 6], 1) as tf.Tensor4D;
    const pattern = slidingWindow({left: 3});
    const read = spyOn(tf.backend(), 'read').and.callThrough();
    const readSync = spyOn(tf.backend(), 'readSync').and.callThrough();
    const chain = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor =>
      spmm(sparseSoftmax(sddmm(q as tf.Tensor4D, k as tf.Tensor4D, pattern)), v);
    const kernelsOf = async (body: () => tf.TensorContainer): Promise<string[]> =>
      (await tf.profile(body)).kernels.map(({name}) => name).filter((name) => name.startsWith('Splat'));
    expect(await kernelsOf(() => chain(x, x, x))).toEqual(['SplatSddmm', 'SplatSparseSoftmax', 'SplatSpmm']);
    const gradients = await kernelsOf(() => tf.grads(chain)([x, x, x]));
    expect(gradients.slice(3)).toEqual(['SplatSddmm', 'SplatSpmm', 'SplatSparseSoftmax', 'SplatSpmm', 'SplatSpmm']);
    const atOnce = (q: tf.Tensor, k: tf.Tensor): tf.Tensor => attentionWeights(q as tf.Tensor4D, k as tf.Tensor4D, pattern).values;
    expect(await kernelsOf(() => tf.grads(atOnce)([x, x]))).toEqual([
      'SplatAttentionWeights',
      'SplatSparseSoftmax',
      'SplatSpmm',
      'SplatSpmm',
    ]);
    // tf.profile reads what it counts.
    read.calls.reset();
    tf.grads(chain)([x, x, x]);
    expect(read).not.toHaveBeenCalled();
    expect(readSync).not.toHaveBeenCalled();
    tf.engine().endScope();
  });

  it('run captured as they run', async () => {
    const x = draw([1, 2, 33, 6], 1) as tf.Tensor4D;
    const pattern = slidingWindow({left: 3});
    const weigh = (own: tf.Tensor4D): tf.Tensor => spmm(attentionWeights(own, own, pattern), own);
    const replay = await capture(weigh, x);
    const other = draw([1, 2, 33, 6], 2) as tf.Tensor4D;
    const expected = weigh(other);
    expect(await replay.read(await other.data())).toEqual(await expected.data());
    expect(replay.dispatches).toBe(2);
    replay.dispose();
    tf.dispose([x, other, expected]);
  });
});
