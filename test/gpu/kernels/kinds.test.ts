import {gradientScratch, REGULAR, scratchLayout, type Kinds} from '../../../src/plan/index.js';
import {generate, generateGradients, generateScoreGradients, PLAIN} from '../../../src/wgsl/index.js';
import {tailOf} from '../../../src/wgsl/terms/fields.js';
import {mulberry32, oracle, randomInputs, withinLengths, type Attends} from '../../oracle.js';
import {oracleGradients} from '../../oracle_gradients.js';
import {backend} from '../../support/attend.js';
import {handMade, handMadeGradients} from '../../support/hand_made.js';
import {problemFor} from '../../support/plans.js';
import {runProgram} from '../../support/run_program.js';

const shape = {queryLength: 70, keyLength: 150, queryOffset: 0};
const grouped = problemFor(shape, {batch: 2, heads: 4, keyHeads: 2, headDim: 8});
const single = problemFor(shape, {batch: 2, heads: 2, headDim: 8});

/** Random pairs, others in each head and sequence; some rows and keys have few; the first 32 rows have all keys from 60 on, whole tiles of them. */
const random: Attends = (q, k, b, h) =>
  (q < 32 && k >= 60) || (q % 11 !== 5 && k % 13 !== 6 && mulberry32(((b * 7 + h) * 70 + q) * 150 + k + 1)() < 0.2);
/** Every third key of a window that is another in each head and sequence: an interval among the keys that some row of a tile has. */
const thirds: Attends = (q, k, b, h) => k % 3 === 0 && k >= q - 9 * h && k <= q + 40 + 20 * b;
const band: Attends = (q, k, b, h) => k >= q - 9 * h && k <= q + 40 + 20 * b;

/** The mask of what a pass has on its grid is that of the first. */
const onGrid =
  ({heads, batch}: Kinds, attends: Attends): Attends =>
  (q, k, b, h) =>
    attends(q, k, batch === 'grid' ? 0 : b, heads === 'grid' ? 0 : h);

const CASES: readonly {
  readonly says: string;
  readonly kinds: Kinds;
  readonly attends: Attends;
  readonly results: 'gradients' | 'records';
}[] = [
  {
    says: 'rows and keys in lists, bits',
    kinds: {...REGULAR, rows: 'list', keys: 'list', mask: 'bits'},
    attends: random,
    results: 'gradients',
  },
  {
    says: 'keys in lists, intervals, heads by item',
    kinds: {...REGULAR, keys: 'list', heads: 'item'},
    attends: thirds,
    results: 'records',
  },
  {
    says: 'rows in lists, bits, heads and sequences by item',
    kinds: {...REGULAR, rows: 'list', mask: 'bits', heads: 'item', batch: 'item'},
    attends: random,
    results: 'records',
  },
  {
    says: 'rows in lists, intervals, sequences by item',
    kinds: {...REGULAR, rows: 'list', batch: 'item'},
    attends: band,
    results: 'gradients',
  },
  {
    says: 'rows one by one, in lists',
    kinds: {...REGULAR, rows: 'list', keys: 'list', mask: 'own'},
    attends: random,
    results: 'gradients',
  },
  {
    says: 'rows in fours that share a list',
    kinds: {...REGULAR, rows: 'list', keys: 'list', mask: 'fours'},
    attends: random,
    results: 'gradients',
  },
  {
    says: 'rows in fours, in lists, heads and sequences by item',
    kinds: {rows: 'list', keys: 'list', mask: 'fours', heads: 'item', batch: 'item'},
    attends: random,
    results: 'records',
  },
  {
    says: 'rows one by one, heads and sequences by item',
    kinds: {rows: 'list', keys: 'list', mask: 'own', heads: 'item', batch: 'item'},
    attends: random,
    results: 'records',
  },
];

describe('schedules made by hand are computed as the oracle says', () => {
  for (const {says, kinds, attends: whole, results} of CASES) {
    it(`for ${says}: output and gradients`, async () => {
      const problem = results === 'records' ? grouped : single;
      const attends = onGrid(kinds, whole);
      const inputs = randomInputs(problem);
      const plan = handMadeGradients(problem, kinds, attends, results);
      const {batch, heads, keyHeads, queryLength, keyLength, headDim, valueDim} = problem;
      const dOutput = randomInputs(problem, 2).query;
      const launches = [...generate(plan.rows, {aux: 'rowSums'}), ...generateGradients(plan)];
      const [rows, keys] = [4 * batch * heads * queryLength, 4 * batch * keyHeads * keyLength];
      const scratch = 16 * Math.max(1, scratchLayout(plan.rows).total, gradientScratch(plan).total);
      const found = await runProgram(
        backend().device,
        launches,
        {
          ...{query: inputs.query, key: inputs.key, value: inputs.value, dOutput, schedule: plan.rows.schedule, scratch},
          ...{output: rows * valueDim, rowSums: 2 * rows, dQuery: rows * headDim, dKey: keys * headDim, dValue: keys * valueDim},
        },
        ['output', 'dQuery', 'dKey', 'dValue'],
        {scale: 1 / Math.sqrt(headDim)},
      );
      expectClose(found.output, oracle(inputs, attends), 'output');
      const right = oracleGradients(inputs, attends, {}, dOutput);
      expectClose(found.dQuery, right.query, 'dQuery');
      expectClose(found.dKey, right.key, 'dKey');
      expectClose(found.dValue, right.value, 'dValue');
    });
  }

  for (const [says, ofBatch, ofHeads] of [
    ['single scores', 2, 2],
    ['a bias that heads and sequences share', 1, 1],
  ] as const)
    it(`for gradients of ${says}, and their sums over rows`, async () => {
      const kinds: Kinds = {rows: 'list', keys: 'list', mask: 'bits', heads: 'item', batch: 'item'};
      const {batch, heads, queryLength, keyLength, headDim, valueDim} = single;
      const inputs = randomInputs(single);
      const dOutput = randomInputs(single, 2).query;
      const plan = handMadeGradients(single, kinds, random, 'records');
      const launches = [
        ...generate(plan.rows, {aux: 'rowSums'}),
        ...generateScoreGradients(plan, {kind: 'pairs', shape: [ofBatch, ofHeads, queryLength, keyLength]}),
        ...generateScoreGradients(plan, {kind: 'keys'}),
      ];
      const rows = 4 * batch * heads * queryLength;
      const scratch = 16 * Math.max(scratchLayout(plan.rows).total, gradientScratch(plan).total);
      const pairs = queryLength * keyLength;
      const found = await runProgram(
        backend().device,
        launches,
        {
          ...{query: inputs.query, key: inputs.key, value: inputs.value, dOutput, schedule: plan.rows.schedule, scratch},
          ...{output: rows * valueDim, rowSums: 2 * rows, dKeyScores: 4 * batch * heads * keyLength},
          dScores: 4 * ofBatch * ofHeads * pairs,
        },
        ['dScores', 'dKeyScores'],
        {scale: 1 / Math.sqrt(headDim)},
      );
      const right = oracleGradients(inputs, random, {}, dOutput).scores;
      const shared = new Float64Array(ofBatch * ofHeads * pairs);
      const overRows = new Float64Array(batch * heads * keyLength);
      right.forEach((value, at) => {
        shared[at % shared.length]! += value;
        overRows[Math.floor(at / pairs) * keyLength + (at % keyLength)]! += value;
      });
      expectClose(found.dScores, shared, 'dScores');
      expectClose(found.dKeyScores, overRows, 'dKeyScores');
    });

  it('for a mask tensor of every head, which rows in lists meet', async () => {
    const kinds: Kinds = {...REGULAR, rows: 'list', mask: 'tensor', heads: 'item'};
    const {batch, heads, queryLength, keyLength, headDim, valueDim} = single;
    const inputs = randomInputs(single);
    const plan = {...handMade(single, kinds, random, true), implementation: 'dense'} as const;
    const maskShape = [batch, heads, queryLength, keyLength] as const;
    const mask = Int32Array.from({length: batch * heads * queryLength * keyLength}, (_, at) => {
      const [line, q, k] = [Math.floor(at / (queryLength * keyLength)), Math.floor(at / keyLength) % queryLength, at % keyLength];
      return Number(random(q, k, Math.floor(line / heads), line % heads));
    });
    const schedule = new Int32Array(2 * tailOf(plan, PLAIN, maskShape).pairs);
    schedule.set(plan.schedule);
    const rows = 4 * batch * heads * queryLength;
    const found = await runProgram(
      backend().device,
      generate(plan, {maskShape}),
      {
        ...{query: inputs.query, key: inputs.key, value: inputs.value, schedule, mask},
        ...{scratch: 16 * scratchLayout(plan).total, output: rows * valueDim, rowSums: 2 * rows},
      },
      ['output'],
      {scale: 1 / Math.sqrt(headDim)},
    );
    expectClose(found.output, oracle(inputs, random), 'output');
  });

  for (const mask of ['bits', 'own', 'fours'] as const)
    it(`for lists of keys of which a sequence has fewer, ${mask}: what lies behind its end may be anything`, async () => {
      const kinds: Kinds = {...REGULAR, keys: 'list', mask};
      const attends = onGrid(kinds, random);
      const keyLengths = [97, 0];
      const inputs = randomInputs(single);
      const {keyLength, heads, queryLength, valueDim} = single;
      const plan = handMade(single, kinds, attends, true);
      const features = {...PLAIN, lengths: true};
      const expected = oracle(inputs, withinLengths(attends, keyLengths));
      for (let at = 0; at < inputs.key.length; at++) {
        const line = Math.floor(at / (8 * keyLength));
        if (Math.floor(at / 8) % keyLength >= keyLengths[Math.floor(line / heads)]!) inputs.key[at] = inputs.value[at] = NaN;
      }
      const schedule = new Int32Array(2 * tailOf(plan, features, null).pairs);
      schedule.set(plan.schedule);
      const found = await runProgram(
        backend().device,
        generate(plan, {features}),
        {
          ...{query: inputs.query, key: inputs.key, value: inputs.value, schedule, keyLengths: Int32Array.from(keyLengths)},
          ...{
            scratch: 16 * scratchLayout(plan).total,
            output: 8 * heads * queryLength * valueDim,
            rowSums: 16 * heads * queryLength,
          },
        },
        ['output'],
        {scale: 1 / Math.sqrt(8)},
      );
      expectClose(found.output, expected, 'output');
    });
});

function expectClose(found: Float32Array, right: Float64Array, what: string): void {
  const worst = right.reduce(
    (most, value, at) => Math.max(most, Number.isNaN(found[at]!) ? Infinity : Math.abs(found[at]! - value)),
    0,
  );
  expect(worst).withContext(what).toBeLessThan(2e-5);
  expect(right.some((value) => Math.abs(value) > 1e-2))
    .withContext(`${what} says something`)
    .toBeTrue();
}
