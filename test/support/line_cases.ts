// Calls whose heads and sequences have patterns of their own, against the oracle, on whatever backend is current.
import * as tf from '@tensorflow/tfjs-core';
import {fromMask, patternFromMask, perHead, slidingWindow, sparseAttention, type Pattern} from '../../src/index.js';
import {expectAttention, mulberry32, randomInputs} from '../oracle.js';
import {refusal} from './errors.js';
import {expectGradients} from './gradient_cases.js';
import {BASE, expectCase, type OptionCase} from './option_cases.js';

const FOUR = 'perHead(causal(), slidingWindow(left: 5, right: 2), strided(stride: 4), prefix(7))';

/** Two key heads, each of two query heads, in two sequences, 19 queries and 23 keys, where nothing else is said. */
export const LINES: readonly (readonly [name: string, changes: Partial<OptionCase>])[] = [
  ['a pattern for each head', {pattern: FOUR}],
  ['heads after rows, log-sum-exps', {pattern: FOUR, layout: 'blhd', aux: true}],
  ['heads of two patterns, of which one has nothing', {pattern: 'perHead(causal(), not full(), not full(), causal())'}],
  ['a head that reads all beside one that reads the first keys', {pattern: 'perHead(full(), prefix(2), prefix(2), prefix(3))'}],
  ['a pattern for each sequence', {pattern: 'perBatch(causal(), globalTokens([2, 9]) or slidingWindow(left: 2))'}],
  ['one head, a pattern for each sequence', {pattern: 'perBatch(causal(), full())', rank3: true, keyHeads: 1, group: 1}],
  ['heads of one sequence alone', {pattern: `perBatch(${FOUR}, blockLocal(size: 6))`, sinks: true, aux: true}],
  ['lists that meet', {pattern: `${FOUR} and perBatch(causal(), slidingWindow(left: 9, right: 9)) or prefix(1)`}],
  ['a mask for each head', {pattern: String(masks(4, 19, 23))}],
  [
    'all options at once',
    {
      ...{pattern: `${FOUR} and perBatch(full(), causal())`, bias: [true, true, true, true], lengths: true, segments: true},
      ...{alibi: true, relative: 'heads', sinks: true, softcap: 1.5, dropout: 0.2, aux: true},
    },
  ],
];

/** Random masks of a third of the pairs; heads 0 and 2 have the same. */
function masks(heads: number, queryLength: number, keyLength: number): Pattern {
  const random = mulberry32(11);
  const draw = (): number[] => Array.from({length: queryLength * keyLength}, () => Number(random() < 0.33));
  const drawn = Array.from({length: heads}, draw);
  drawn[2] = drawn[0]!;
  return fromMask(drawn, {queryLength, keyLength, heads});
}

const SMALL: OptionCase = {
  ...BASE,
  ...{queryLength: 19, keyLength: 23, queryOffset: 4, headDim: 5, valueDim: 3, implementation: 'auto'},
};

/** Specs of the outputs and all gradients of `LINES`, of chunks, masks and bad lists. */
export function specifyLines(): void {
  for (const [name, changes] of LINES)
    it(`are those of the oracle: ${name}`, async () => {
      const given = {...SMALL, ...changes};
      await expectCase(given, name);
      await expectGradients(given, name);
      if (given.lengths) await expectGradients(given, `${name}, with NaN in the padding`, NaN);
    });

  it('take tensors of masks with axes of heads and sequences, and patterns made of them', async () => {
    const [batch, heads, queryLength, keyLength] = [2, 3, 9, 11] as const;
    const inputs = randomInputs({batch, heads, queryLength, keyLength, headDim: 4, valueDim: 4});
    const random = mulberry32(5);
    const [query, key, value] = (['query', 'key', 'value'] as const).map((name) =>
      tf.tensor4d(inputs[name], [batch, heads, name === 'query' ? queryLength : keyLength, 4]),
    ) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    for (const shape of [
      [batch, heads, queryLength, keyLength],
      [heads, queryLength, keyLength],
      [batch, 1, queryLength, keyLength],
      [1, heads, queryLength, keyLength],
      [1, 1, queryLength, keyLength],
      [queryLength, keyLength],
    ]) {
      const [ofBatch, ofHeads] = [...Array<number>(4 - shape.length).fill(1), ...shape];
      const data = Uint8Array.from({length: tf.util.sizeFromShape(shape)}, () => Number(random() < 0.5));
      const mask = tf.tensor(data, shape, 'bool');
      const pattern = await patternFromMask(mask);
      const attends = (q: number, k: number, b: number, h: number): boolean => {
        const line = (ofBatch === 1 ? 0 : b * ofHeads!) + (ofHeads === 1 ? 0 : h);
        return data[(line * queryLength + q) * keyLength + k] === 1;
      };
      await expectAttention(sparseAttention(query, key, value, mask), inputs, attends, {}, `mask ${shape.join()}`);
      await expectAttention(sparseAttention(query, key, value, pattern), inputs, attends, {}, `pattern ${shape.join()}`);
    }
  });

  it('are refused before anything is computed where a list has another length', () => {
    const x = tf.ones([2, 4, 3, 2]);
    const [two] = [tf.ones([2, 2, 3, 2])];
    const list = (count: number): Pattern => perHead(Array.from({length: count}, (_, left) => slidingWindow({left})));
    const before = tf.memory().numTensors;
    expect(refusal(() => sparseAttention(x, x, x, list(3))).message).toContain('found 3 patterns, expected 4, the heads of query');
    expect(refusal(() => sparseAttention(x, two, two, list(2))).cure).toContain('repeat each pattern 2 times');
    expect(refusal(() => sparseAttention(tf.ones([2, 3, 2]), tf.ones([2, 3, 2]), tf.ones([2, 3, 2]), list(2))).thing).toBe(
      'perHead',
    );
    expect(tf.memory().numTensors).toBe(before + 3);
  });
}
