import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import {sparseAttention} from '../../src/index.js';
import {expectAttention, expectWithin, mulberry32, oracle, randomInputs, withinLengths, type Attends} from '../oracle.js';
import {oracleGradients} from '../oracle_gradients.js';
import {poison, tensorsOf} from '../support/attend.js';
import {problemFor} from '../support/plans.js';

/** Rows and keys of several tiles and a bit. */
const SIZES = {queryLength: 140, keyLength: 200, queryOffset: 0};
const problem = problemFor(SIZES, {batch: 2, heads: 2, headDim: 8});

/** Tiles of nothing, full ones and others, in other places for each head and sequence; a row of nothing, one of all. */
const blocks: Attends = (q, k, b, h) => {
  if (q === 70) return false;
  if (q === 71) return true;
  const [row, column] = [Math.floor(q / 32), Math.floor(k / 32)];
  const drawn = mulberry32(1 + row * 7 + column + 100 * b + 1000 * h)();
  return drawn < 0.4 ? false : drawn < 0.7 || (q * 5 + k * 3) % 7 < 3;
};

/** A mask tensor of a shape; where it broadcasts, what it says of the first. */
function maskOf(shape: readonly [number, number, number, number]): {readonly mask: tf.Tensor4D; readonly attends: Attends} {
  const [batch, heads, rows, keys] = shape;
  const attends: Attends = (q, k, b, h) => blocks(q % rows, keys === 1 ? 3 : k, b % batch, h % heads);
  const values: number[] = [];
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++)
      for (let q = 0; q < rows; q++) for (let k = 0; k < keys; k++) values.push(Number(attends(q, k, b, h)));
  return {mask: tf.tensor4d(values, [...shape], 'bool'), attends};
}

const SHAPES = [
  [1, 1, 140, 200],
  [2, 1, 140, 200],
  [1, 2, 140, 200],
  [2, 2, 140, 200],
  [2, 2, 1, 200],
  [1, 2, 140, 1],
] as const;

describe('on WebGPU, a mask that comes with the call', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  for (const shape of SHAPES)
    it(`skips tiles of nothing and tests no bits in full ones, [${shape.join(', ')}]: output and gradients`, async () => {
      const inputs = randomInputs(problem);
      const {mask, attends} = maskOf(shape);
      const lines = problem.batch * problem.heads;
      // What a tile holds that nobody has written would be seen.
      await poison(4 * lines * 140 * 8, 4 * lines * 200 * 8, 8 * 4096);
      const given = randomInputs(problem, 2).query;
      const dOutput = tf.tensor4d(given, [2, 2, 140, 8]);
      const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor => sparseAttention(q, k, v, mask);
      await expectAttention(attend(...tensorsOf(inputs)), inputs, attends, {}, 'output');
      const gradients = tf.grads(attend as (...all: tf.Tensor[]) => tf.Tensor)([...tensorsOf(inputs)], dOutput);
      const right = oracleGradients(inputs, attends, {}, given);
      for (const [index, name] of (['query', 'key', 'value'] as const).entries())
        expectWithin(await gradients[index]!.data(), right[name], 2e-5, `gradient of ${name}`);
    });

  it('with sequences that have fewer keys, behind which lies anything', async () => {
    const inputs = randomInputs(problem);
    const {mask, attends} = maskOf([2, 2, 140, 200]);
    const keyLengths = [130, 61];
    for (let at = 0; at < inputs.key.length; at++) {
      const batch = Math.floor(at / (2 * 200 * 8));
      if (Math.floor(at / 8) % 200 >= keyLengths[batch]!) inputs.key[at] = inputs.value[at] = NaN;
    }
    const found = sparseAttention(...tensorsOf(inputs), mask, {keyLengths});
    expectWithin(await found.data(), oracle(randomInputs(problem), withinLengths(attends, keyLengths)), 2e-5);
  });
});
