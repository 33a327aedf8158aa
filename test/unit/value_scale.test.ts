import {compile, CORE_DEVICE, PLAIN} from '../../src/pure.js';
import {mostKeys, toDense} from '../../src/plan/index.js';
import {blockLocal, full, strided} from '../../src/pattern/index.js';
import {CORPUS, problemOfCase} from '../corpus.js';
import {problemFor} from '../support/plans.js';
import {readStruct, structLayout} from '../support/wgsl_layout.js';

const SHAPE = {queryLength: 70, keyLength: 90, queryOffset: 20};

describe('what values are multiplied by before they are summed', () => {
  const passes = compile(strided({stride: 4}).or(blockLocal({size: 8})), problemFor(SHAPE), CORE_DEVICE, {implementation: 'fused'});
  const corpus = CORPUS.map((each) => ({name: each.name, ...compile(each.pattern, problemOfCase(each), CORE_DEVICE)}));
  const compiled = [...corpus, {name: 'several passes', ...passes}];
  const scaleOf = ({launches: [first]}: (typeof compiled)[number], dropout?: number): number => {
    const bytes = first!.params({scale: 1, ...(dropout !== undefined && {dropout})});
    return readStruct(bytes, structLayout(first!.program.code, 'Params'))['valueScale'] as number;
  };

  it('is a power of two, for nothing is rounded', () => {
    for (const each of compiled)
      expect(Number.isInteger(Math.log2(scaleOf(each))))
        .withContext(each.name)
        .toBeTrue();
  });

  it('keeps the sum of as many of the largest floats as a row has keys in float32, and not much more', () => {
    expect(compiled.some(({plan}) => plan.passes.length > 1)).toBeTrue();
    expect(compiled.some(({plan}) => plan.slots > 0)).toBeTrue();
    for (const each of compiled) {
      const {plan, name} = each;
      const {queryLength, keyLength} = plan.problem;
      const dense = toDense(plan);
      let most = 0;
      for (let q = 0; q < queryLength; q++) {
        most = Math.max(
          most,
          dense.subarray(q * keyLength, (q + 1) * keyLength).reduce((sum, bit) => sum + bit, 0),
        );
      }
      const keys = mostKeys(plan);
      if (plan.slots === 0) expect(keys).withContext(name).toBeGreaterThanOrEqual(most);
      expect(keys).withContext(name).toBeLessThanOrEqual(keyLength);
      expect(keys * scaleOf(each))
        .withContext(name)
        .toBeLessThanOrEqual(keys <= 1 ? 1 : 0.8);
      expect(scaleOf(each))
        .withContext(name)
        .toBeGreaterThanOrEqual(0.4 / Math.max(1, keys));
    }
  });

  it('makes room for what dropout multiplies by', () => {
    const features = {...PLAIN, dropout: true};
    const dropped = {name: 'dropout', ...compile(full(), problemFor(SHAPE), CORE_DEVICE, {features})};
    expect(scaleOf(dropped, 0.9) * 90 * 10).toBeLessThanOrEqual(0.8);
    expect(scaleOf(dropped) * 90).toBeGreaterThanOrEqual(0.4);
  });
});
