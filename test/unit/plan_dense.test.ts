import fc from 'fast-check';
import {asLines} from '../../src/plan/lines.js';
import {compress} from '../../src/acsr/index.js';
import {blockLocal, causal, fromMask, globalTokens, slidingWindow, strided, type Pattern} from '../../src/pattern/index.js';
import {TILES} from '../../src/plan/configurations.js';
import {maskBits, toWords} from '../../src/plan/bits.js';
import {countDense, denseCounts, foreseeDense} from '../../src/plan/dense.js';
import {draftRows} from '../../src/plan/draft_rows.js';
import {
  checkGradientPlan,
  checkPlan,
  CORE_DEVICE,
  forEachSpan,
  makeGradientPlan,
  makePlan,
  type Device,
  type Plan,
} from '../../src/plan/index.js';
import {atOnce} from '../../src/support/index.js';
import {mulberry32} from '../oracle.js';
import {drawMask, MASK_ZOO} from '../support/mask_zoo.js';
import {expectSamePairs, featuredDevice, MATRIX_16, problemFor, SOFTWARE_DEVICE} from '../support/plans.js';
import {formatsOf} from '../../src/pure.js';

/** A mask of blocks of `side`, of which some hold nothing, some are full, and the others hold pairs at random; and a few single pairs. */
interface Drawn {
  readonly queryLength: number;
  readonly keyLength: number;
  readonly side: number;
  readonly seed: number;
}

const drawn = (): fc.Arbitrary<Drawn> =>
  fc.record({
    queryLength: fc.integer({min: 1, max: 300}),
    keyLength: fc.oneof(fc.integer({min: 1, max: 700}), fc.constantFrom(32, 64, 96, 128, 640)),
    side: fc.constantFrom(32, 64, 128, 200),
    seed: fc.nat(),
  });

function pairsIn({queryLength, keyLength, side, seed}: Drawn): Uint8Array {
  const kinds = Array.from({length: 100}, mulberry32(seed));
  const random = mulberry32(seed + 1);
  const pairs = Uint8Array.from({length: queryLength * keyLength}, (_, pair) => {
    const [row, key] = [Math.floor(pair / keyLength), pair % keyLength];
    const kind = kinds[(Math.floor(row / side) * 11 + Math.floor(key / side)) % 100]!;
    return Number(kind < 0.4 ? 0 : kind < 0.75 ? 1 : random() < 0.7);
  });
  // One pair alone in a block must be seen, whichever it is.
  for (let few = Math.floor(10 * random()); few > 0; few--) pairs[Math.floor(random() * pairs.length)]! ^= 1;
  return pairs;
}

const maskOf = (given: Drawn): Pattern => fromMask(pairsIn(given), {queryLength: given.queryLength, keyLength: given.keyLength});

const DEVICES: readonly Device[] = [CORE_DEVICE, SOFTWARE_DEVICE, featuredDevice(MATRIX_16)];

const densePlan = (given: Drawn, device: Device): Plan => {
  const problem = problemFor({...given, queryOffset: 0}, {heads: 2, headDim: 64});
  return makePlan(compress(maskOf(given), problem), problem, device, 'dense', {formats: formatsOf('float16')});
};

/** Whether `holds` is true of all pairs of rows of an item and keys. */
function allOf(plan: Plan, pairs: Uint8Array, row: number, rows: number, from: number, to: number, attends: 0 | 1): boolean {
  const {keyLength} = plan.problem;
  for (let x = row; x < row + rows; x++)
    for (let key = from; key < to; key++) if (pairs[x * keyLength + key] !== attends) return false;
  return true;
}

describe('a dense plan of a known mask', () => {
  it('computes the pairs of the mask, visits no 64 keys that hold nothing and says which are full', () => {
    let [visited, full] = [0, 0];
    fc.assert(
      fc.property(drawn(), fc.constantFrom(...DEVICES), (given, device) => {
        const plan = densePlan(given, device);
        const pairs = pairsIn(given);
        checkPlan(plan);
        expectSamePairs(plan, pairs);
        const tested = new Map<number, number>();
        forEachSpan(plan, ({firstRow, rows}, {begin, end, fullBegin, fullEnd}) => {
          for (let key = begin - (begin % 64); key < end; key += 64) {
            const [from, to] = [Math.max(begin, key), Math.min(end, key + 64, given.keyLength)];
            const last = Math.min(key + 64, given.keyLength);
            if (allOf(plan, pairs, firstRow, rows, key, last, 0)) throw new Error(`rows ${firstRow}: keys ${key} hold nothing`);
            visited++;
            const isFull = fullBegin <= from && to <= fullEnd;
            if (isFull) full++;
            else if (last === key + 64 && allOf(plan, pairs, firstRow, rows, key, last, 1))
              tested.set(firstRow, (tested.get(firstRow) ?? 0) + 1);
          }
        });
        // Tensor cores begin a span for no fewer than 256 full keys.
        if (plan.matrix === null && tested.size > 0) throw new Error(`full keys are tested in rows ${[...tested.keys()].join()}`);
      }),
      {numRuns: 200},
    );
    expect(full).toBeGreaterThan(visited / 10);
  });

  it('has key tiles of the same pairs for its gradients', () => {
    fc.assert(
      fc.property(
        drawn(),
        fc.constantFrom(CORE_DEVICE, SOFTWARE_DEVICE),
        fc.constantFrom('gradients', 'records'),
        (given, device, results) => {
          const plan = densePlan(given, device);
          const gradients = makeGradientPlan(plan, compress(maskOf(given), plan.problem), results as 'records');
          checkGradientPlan(gradients);
          expectSamePairs(gradients.rows, pairsIn(given));
        },
      ),
      {numRuns: 60},
    );
  });

  it('is counted as it is drafted', () => {
    fc.assert(
      fc.property(drawn(), fc.constantFrom('wide', 'narrow', 'matrix', 'long'), (given, name) => {
        const problem = problemFor({...given, queryOffset: 0});
        const acsr = compress(maskOf(given), problem);
        const shape = TILES[name as 'wide'];
        const [counts] = atOnce(draftRows(asLines(acsr), problem, CORE_DEVICE, 'dense', shape)).draft.counts();
        const perRow = Math.ceil(given.keyLength / 32);
        const words = new Uint32Array(given.queryLength * perRow);
        pairsIn(given).forEach((attends, pair) => {
          const [row, key] = [Math.floor(pair / given.keyLength), pair % given.keyLength];
          words[row * perRow + (key >> 5)]! |= attends << (key & 31);
        });
        expect(atOnce(countDense(problem, shape, {words, rows: given.queryLength}))).toEqual(counts!);
        expect(denseCounts(problem, shape).tiles).toBeGreaterThanOrEqual(counts!.tiles);
      }),
      {numRuns: 60},
    );
  });

  it('begins no span on tensor cores for few full keys', () => {
    const shape = {queryLength: 64, keyLength: 320, queryOffset: 0};
    // Blocks 1 and 3 of five are full.
    const mask = Uint8Array.from({length: 64 * 320}, (_, pair) => Number(![0, 130, 260].includes(pair % 320)));
    const acsr = compress(fromMask(mask, {queryLength: 64, keyLength: 320}), shape);
    const spans = (name: 'wide' | 'matrixNarrow'): number =>
      atOnce(draftRows(asLines(acsr), problemFor(shape), CORE_DEVICE, 'dense', TILES[name])).draft.nextSpan;
    expect([spans('wide'), spans('matrixNarrow')]).toEqual([2, 1]);
  });

  it('that holds nothing has rows without keys, whose zeros somebody writes', () => {
    const shape = {queryLength: 70, keyLength: 90, queryOffset: 0};
    const nothing = fromMask(new Uint8Array(70 * 90), {queryLength: 70, keyLength: 90});
    for (const device of DEVICES) {
      const plan = makePlan(compress(nothing, shape), problemFor(shape), device, 'dense');
      checkPlan(plan);
      expect(plan.weights.every((weight) => weight === 0)).toBeTrue();
      expect(plan.weights.length).toBe(Math.ceil(70 / plan.tile.rows));
    }
  });
});

describe('dense where nearly all pairs attend', () => {
  const N = 2048;
  const shape = {queryLength: N, keyLength: N, queryOffset: 0};
  const planOf = (pattern: Pattern): Plan =>
    makePlan(compress(pattern, shape), problemFor(shape, {heads: 8, headDim: 64}), {...CORE_DEVICE, vendor: 'nvidia'});
  const zoo = (name: string): Pattern =>
    drawMask(
      MASK_ZOO.find((each) => each.name === name)!,
      N,
    ).pattern;

  it('is seen to win by a few tiles, before all are cut', () => {
    const complements = [zoo('nearest16').not(), zoo('powerLaw').not(), strided({stride: 24}).and(causal()).not()];
    for (const pattern of complements) {
      const plan = planOf(pattern);
      expect(plan.implementation).toBe('dense');
      expect(plan.reason).toMatch(
        /^fused would compute about \d+ key tiles where dense computes 1024; predicted [\d.]+× slower than dense$/,
      );
      expect(plan.candidates.map(({name}) => name)).toEqual(['dense', 'as arithmetic']);
      expect(plan.schedule).toEqual(
        makePlan(compress(pattern, shape), plan.problem, {...CORE_DEVICE, vendor: 'nvidia'}, 'dense').schedule,
      );
    }
  });

  it('is not taken where arithmetic says as much in fewer words', () => {
    for (const pattern of [
      slidingWindow({left: 32, right: 32}).not(),
      slidingWindow({left: 64})
        .or(strided({stride: 1024}))
        .not(),
    ])
      expect(planOf(pattern).implementation).toBe('fused');
  });

  it('are foreseen from a few row tiles, and counted where that is near', () => {
    const n = 4096;
    const sizes = {queryLength: n, keyLength: n, queryOffset: 0};
    const pattern = blockLocal({size: 256})
      .or(slidingWindow({left: 64, right: 64, dilation: 8}))
      .or(globalTokens(16));
    const acsr = compress(pattern, sizes);
    for (const tile of [TILES.wide, TILES.narrow]) {
      const about = atOnce(foreseeDense(acsr, tile));
      const counted = atOnce(countDense(sizes, tile, {words: toWords(acsr), rows: n}));
      expect([about.items, Math.abs(about.tiles / counted.tiles - 1) < 0.15]).toEqual([counted.items, true]);
    }
    const {candidates, implementation} = makePlan(acsr, problemFor(sizes, {heads: 8, headDim: 64}), CORE_DEVICE);
    expect([implementation, candidates.map(({name}) => name).sort()]).toEqual(['fused', ['as arithmetic', 'dense']]);
  });

  it('are those of all rows where a few recur', () => {
    const sizes = {queryLength: 8100, keyLength: 9000, queryOffset: 0};
    const acsr = compress(strided({stride: 128}).not(), sizes);
    const recurring = atOnce(maskBits(acsr, TILES.wide.rows));
    expect(recurring.rows).toBeLessThan(sizes.queryLength);
    const words = toWords(acsr);
    expect(atOnce(countDense(sizes, TILES.wide, recurring))).toEqual(
      atOnce(countDense(sizes, TILES.wide, {words, rows: sizes.queryLength})),
    );
  });
});
