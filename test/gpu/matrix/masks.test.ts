import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {mulberry32} from '../../oracle.js';
import {arbitraryMask} from '../../support/arbitraries.js';
import {MANY, shuffled} from '../../support/mask_cases.js';
import {drawMask, maskOf, MASK_ZOO} from '../../support/mask_zoo.js';
import {BASE, expectCase, type OptionCase} from '../../support/option_cases.js';

describe('on WebGPU, random masks', () => {
  const seed = 20261130;

  /** Few lengths: TensorFlow.js, whose attention sets the tolerance, compiles kernels for each. */
  const SHAPES = [
    {queryLength: 75, keyLength: 75},
    {queryLength: 33, keyLength: 75},
    {queryLength: 75, keyLength: 40},
    {queryLength: 1, keyLength: 75},
  ];

  /** Part of a mask of the zoo, perhaps with its rows and keys in another order, or any bits; alone or beside what is regular. */
  const arbitraryIrregular = fc.constantFrom(...SHAPES).chain((shape) => {
    const order = fc.option(fc.nat());
    const parts = fc.record({zoo: fc.constantFrom(...MASK_ZOO), order, at: fc.nat(40)}).map(({zoo, order: drawn, at}) => {
      const {attends} = drawMask(zoo, 120);
      const random = mulberry32(drawn ?? 0);
      const orderOf = (length: number): number[] => (drawn === null ? Array.from({length}, (_, i) => i) : shuffled(length, random));
      const [rows, keys] = [orderOf(shape.queryLength), orderOf(shape.keyLength)];
      return maskOf(shape, (query, key) => attends(at + rows[query]!, keys[key]!));
    });
    const mask = fc.oneof({weight: 3, arbitrary: parts}, {weight: 1, arbitrary: arbitraryMask(shape.queryLength, shape.keyLength)});
    const beside = fc.constantFrom('', ' and causal()', ' or slidingWindow(left: 30, right: 2)', ' or globalTokens(2)');
    return fc.tuple(mask, beside).map(([bits, words]) => ({...shape, pattern: `${bits}${words}`}));
  });

  // What schedules say of a mask is the same for all; the others read and weigh it in other words.
  const OPTIONS: readonly (readonly [number, string, Partial<OptionCase>])[] = [
    [100, 'no option', {}],
    [50, 'halves', {precision: 'float16'}],
    [50, 'every option', {...MANY, bias: [false, true, false, true]}],
  ];
  for (const [numRuns, what, changes] of OPTIONS)
    it(`give what the oracle does, ${numRuns} with ${what}`, async () => {
      const choice = fc.constantFrom('auto' as const, 'fused' as const, 'fused' as const, 'dense' as const);
      await fc.assert(
        fc.asyncProperty(arbitraryIrregular, choice, fc.nat(), async (sizes, implementation, drawn) => {
          tf.engine().startScope();
          try {
            const given = {...BASE, batch: 1, keyHeads: 1, queryOffset: 0, ...changes, ...sizes, implementation, seed: drawn};
            await expectCase(given, `${implementation}, ${sizes.pattern.slice(0, 300)}`);
          } finally {
            tf.engine().endScope();
          }
        }),
        {numRuns, seed},
      );
    });
});
