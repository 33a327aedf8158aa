import {causal} from '../../src/pattern/index.js';
import {oracle} from '../oracle.js';
import {inHalves, toHalf} from '../support/halves.js';
import {lawBreaks} from '../support/half_law.js';
import {gaussianInputs} from '../support/matrix_cases.js';
import {problemFor} from '../support/plans.js';

describe('the law of attention on tensor cores', () => {
  const problem = problemFor({queryLength: 100, keyLength: 100, queryOffset: 0}, {heads: 2});
  const inputs = gaussianInputs(problem);
  const attends = (query: number, key: number): boolean => causal().attends(query, key, problem);
  const exact = oracle(inHalves(inputs), attends);

  it('is kept by the exact answer, and by it as halves', () => {
    expect(lawBreaks(exact, inputs, attends)).toEqual([]);
    expect(lawBreaks(exact.map(toHalf), inputs, attends)).toEqual([]);
  });

  it('is broken by a thousandth, by one wrong row, and by a missing number, and says where', () => {
    expect(
      lawBreaks(
        exact.map((x) => 1.001 * x),
        inputs,
        attends,
      ),
    ).not.toEqual([]);
    const at = (1 * 100 + 71) * 16 + 3;
    const wrong = exact.slice();
    wrong[at]! += 0.05;
    const [first, ...others] = lawBreaks(wrong, inputs, attends);
    expect(others).toEqual([]);
    expect(first).toMatch(/^rows 64 to 99 of batch 0, head 1: relative error .*worst in row 71, feature 3: found .*, expected /);
    wrong[at] = NaN;
    expect(lawBreaks(wrong, inputs, attends)[0]).toMatch(/row 71, feature 3: found NaN, expected /);
    expect(lawBreaks(wrong.slice(1), inputs, attends)).toEqual(['3199 elements, expected 3200']);
  });

  it('wants zeros where nothing is attended', () => {
    const nothing = (): boolean => false;
    expect(lawBreaks(new Float32Array(3200), inputs, nothing)).toEqual([]);
    const one = new Float32Array(3200);
    one[40] = 1e-3;
    expect(lawBreaks(one, inputs, nothing)[0]).toMatch(/row 2, feature 8: found 0.001.*, expected 0$/);
  });

  it('does not ask for more than float32 has where scores are in the thousands', () => {
    const scale = 400;
    const found = oracle(inHalves(inputs), attends, {scale: scale * (1 + 2 ** -25)});
    expect(lawBreaks(found, inputs, attends, {scale})).toEqual([]);
    expect(lawBreaks(oracle(inHalves(inputs), attends, {scale: 4.04}), inputs, attends, {scale: 4})).not.toEqual([]);
  });
});
