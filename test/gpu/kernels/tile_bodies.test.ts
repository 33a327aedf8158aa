import {compress} from '../../../src/acsr/index.js';
import {slidingWindow} from '../../../src/pattern/index.js';
import {read} from '../../../src/plan/format.js';
import {KEY_ITEM, makeGradientPlan, type Pass} from '../../../src/plan/index.js';
import {launcher} from '../../../src/wgsl/launcher.js';
import {tileProgram} from '../../../src/wgsl/tile/shell.js';
import {randomInputs} from '../../oracle.js';
import {backend} from '../../support/attend.js';
import {planFor, problemFor, SOFTWARE_DEVICE} from '../../support/plans.js';
import {runProgram} from '../../support/run_program.js';
import {columnSums, pairProducts} from '../../support/tile_bodies.js';

describe('other bodies of tile kernels', () => {
  const pattern = slidingWindow({left: 20, right: 3});
  const problem = problemFor({queryLength: 70, keyLength: 77, queryOffset: 4}, {heads: 2, headDim: 8});
  const {heads, headDim, queryLength, keyLength} = problem;

  it('write products of the pairs that attend', async () => {
    const plan = planFor(pattern, problem, SOFTWARE_DEVICE, 'fused');
    const {query, key} = randomInputs(problem);
    const launches = launcher(plan, {}).over(tileProgram(pairProducts(headDim)), 'items', plan.passes[0]!, [heads, 1], 0);
    const contents = {query, key, schedule: plan.schedule, dScores: 4 * heads * queryLength * keyLength};
    const {dScores: found} = await runProgram(backend().device, launches, contents, ['dScores'], {scale: 0.5});
    for (let head = 0; head < heads; head++) {
      for (let q = 0; q < queryLength; q++) {
        for (let k = 0; k < keyLength; k++) {
          let product = 0;
          for (let d = 0; d < headDim; d++)
            product += query[(head * queryLength + q) * headDim + d]! * key[(head * keyLength + k) * headDim + d]!;
          // The kernel counts in log2.
          const right = pattern.attends(q, k, problem) ? 0.5 * Math.LOG2E * product : 0;
          expect(found[(head * queryLength + q) * keyLength + k])
            .withContext(`${head}, ${q}, ${k}`)
            .toBeCloseTo(right, 4);
        }
      }
    }
  });

  it('count the rows of each key', async () => {
    const {rows, keys} = makeGradientPlan(
      planFor(pattern, problem, SOFTWARE_DEVICE, 'fused'),
      compress(pattern, problem),
      'records',
    );
    const {items, spans, intervals} = keys.offsets;
    const own = {params: {slots: keys.slots, spans, intervals}, sections: {keyItems: items}};
    const [pass] = keys.passes as [Pass];
    const launches = launcher(rows, {}, own).over(tileProgram(columnSums()), 'keyItems', pass, [heads, 1], 0);
    const contents = {schedule: rows.schedule, scratch: 16 * heads * keys.slots * 32};
    const {scratch: records} = await runProgram(backend().device, launches, contents, ['scratch']);
    const found = Array.from({length: heads}, () => new Array<number>(keyLength).fill(0));
    for (let index = pass.itemBegin; index < pass.itemEnd; index++) {
      const item = read({schedule: rows.schedule, offsets: keys.offsets}, 'items', KEY_ITEM, index);
      for (let y = 0; y < item.keys; y++)
        found.forEach(
          (sums, head) => (sums[item.firstKey + item.keyStride * y]! += records[4 * ((head * keys.slots + item.slot) * 32 + y)]!),
        );
    }
    const attended = Array.from({length: keyLength}, (_, key) =>
      Array.from({length: queryLength}, (_, query) => Number(pattern.attends(query, key, problem))).reduce((a, b) => a + b),
    );
    expect(found).toEqual([attended, attended]);
  });
});
