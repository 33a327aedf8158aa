import '@tensorflow/tfjs';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {arbitraryDenseCase} from '../../support/dense_cases.js';
import {expectGradients} from '../../support/gradient_cases.js';
import {BASE, type OptionCase} from '../../support/option_cases.js';
import {missingPairs, pairwise, type Choice} from '../../support/pairwise.js';

const STRIDES = 'strided(stride: 8) and causal() or slidingWindow(left: 7)';

/** What the text of a kernel depends on, and sinks: each row takes seconds to compile. */
const FACTORS = {
  bias: [null, [true, true, true, true], [false, true, false, true]],
  softcap: [null, 1.5],
  alibi: [false, true],
  relative: [false, true],
  lengths: [false, true],
  segments: [false, true],
  dropout: [0, 0.2],
  sinks: [false, true],
  bits: [false, true],
  layout: ['bhld', 'blhd'],
  keyHeads: [4, 2],
  cross: [false, true],
  aux: [false, true],
} as const;

/** What does not change the text takes turns. */
function caseOf({cross, bits, keyHeads, relative, ...same}: Choice<typeof FACTORS>, turn: number): OptionCase {
  const odd = turn % 2 === 1;
  const mask: Partial<OptionCase> = {pattern: null, mask: [true, false, true, true], implementation: 'auto'};
  return {
    ...BASE,
    ...same,
    ...{keyHeads, group: 4 / keyHeads, seed: 200 + turn},
    ...(cross ? {} : {keyLength: 45, queryOffset: 0}),
    ...(relative && {relative: turn % 3 === 0 ? 'one' : 'heads'}),
    ...(bits && (odd ? mask : {implementation: 'dense'})),
    ...(!bits && odd && {pattern: STRIDES}),
  };
}

describe('on WebGPU, gradients of attention with options', () => {
  beforeEach(() => tf.engine().startScope());
  afterEach(() => tf.engine().endScope());

  const rows = pairwise(FACTORS);
  it('are taken with any two of them', () => expect(missingPairs(FACTORS, rows)).toEqual([]));
  rows.forEach((row, i) => {
    it(`are those of the oracle: ${JSON.stringify(row)}`, () => expectGradients(caseOf(row, i), `row ${i}`));
  });

  it('are those of the oracle: any of them', async () => {
    const seed = 20261122;
    await fc.assert(
      fc.asyncProperty(arbitraryDenseCase(), fc.boolean(), fc.boolean(), async (random, dense, aux) => {
        tf.engine().startScope();
        // A mask or a pattern; features that need no pipeline of their own.
        const {mask} = random.pattern === null ? random : {mask: null};
        const implementation = dense && mask === null ? 'dense' : 'auto';
        const valueDim = random.valueDim < 4 ? 5 : 16;
        await expectGradients({...BASE, ...random, mask, aux, implementation, headDim: 16, valueDim});
        tf.engine().endScope();
      }),
      {numRuns: 3, seed},
    );
  });
});
