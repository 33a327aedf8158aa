import {checkAcsr, compress, decodeRow} from '../../src/acsr/index.js';
import {planAttention, prefix, slidingWindow, strided, type Pattern} from '../../src/index.js';
import {checkPlan, CORE_DEVICE, makeGradientPlan} from '../../src/plan/index.js';
import {expectSamePairs, planFor, problemFor} from '../support/plans.js';

describe('rows of bits that recur', () => {
  // 70 gaps and 69 runs that interleave: more than a row may have.
  const wide = strided({stride: 70}).not();
  const shape = {queryLength: 300, keyLength: 4970, queryOffset: 4670};

  it('are worked out for one period, and written out for who reads them', () => {
    const patterns: Pattern[] = [
      wide,
      wide.and(prefix(4900)),
      strided({stride: 75})
        .or(strided({stride: 150}))
        .not(),
    ];
    for (const pattern of patterns) {
      const acsr = compress(pattern, shape);
      expect(acsr.recurringBits?.period).withContext(String(pattern)).toBeLessThan(151);
      expect(acsr.recurringBits!.words.length).toBeLessThan(acsr.bits.length);
      checkAcsr(acsr);
      for (const query of [0, 1, 69, 70, 151, 299])
        expect([...decodeRow(acsr, query)])
          .withContext(`query ${query} of ${pattern}`)
          .toEqual(Array.from({length: shape.keyLength}, (_, key) => key).filter((key) => pattern.attends(query, key, shape)));
    }
  });

  it('are none where some row has few runs, or none recurs', () => {
    for (const pattern of [strided({stride: 4}).not(), wide.or(slidingWindow({left: 2})), strided({stride: 151}).not()])
      expect(compress(pattern, shape).recurringBits).withContext(String(pattern)).toBeUndefined();
  });

  it('are so many rows of mask bits in a dense plan as their period and the tiles agree on', () => {
    const [queryLength, keyLength, stride] = [1300, 6432, 96];
    const long = {queryLength, keyLength, queryOffset: 0};
    const pattern = strided({stride}).not();
    const plan = planFor(pattern, problemFor(long));
    expect(plan.implementation).toBe('dense');
    checkPlan(plan);
    const pairs = Uint8Array.from({length: queryLength * keyLength}, (_, at) =>
      Number((Math.floor(at / keyLength) - (at % keyLength)) % stride !== 0),
    );
    expectSamePairs(plan, pairs);
    // 96 and 64 agree on 192 rows; 1,024 are written at least, of 202 words in whole pairs.
    expect(plan.schedule.length - 2 * plan.offsets.bits).toBe(1152 * 202);
    expectSamePairs(makeGradientPlan(plan, compress(pattern, long), 'gradients').rows, pairs);
  });

  it('reach the planner in milliseconds, for nothing else is written', () => {
    const n = 16384;
    const plan = planAttention(strided({stride: 128}).not(), {queryLength: n, keyLength: n, headDim: 64, heads: 8});
    expect(plan.implementation).toBe('dense');
    expect(plan.nnz).toBe(n * n - n * 128);
    expect(plan.schedule.byteLength).toBeLessThan(2 ** 22);
    expect(plan.device).toEqual(CORE_DEVICE);
  });
});
