import fc from 'fast-check';
import {compress, type Lines} from '../../../src/acsr/index.js';
import {TILES, type TileName} from '../../../src/plan/configurations.js';
import {checkPlan, CORE_DEVICE, makePlan, toDense} from '../../../src/plan/index.js';
import {fromMask, slidingWindow} from '../../../src/pattern/index.js';
import {mulberry32} from '../../oracle.js';
import {arbitraryPattern, arbitraryShape} from '../../support/arbitraries.js';
import {expectSamePairs, pairsOf, problemFor, SOFTWARE_DEVICE} from '../../support/plans.js';

/** Rows of a plan are at most 41 here: small tiles make several of them. */
const NAMES: readonly TileName[] = ['decode4', 'decode16', 'software', 'narrow', 'wide', 'matrixNarrow'];

describe('the pairs that a plan computes', () => {
  it('are those of the pattern, for 10,000 expressions, shapes, tiles and heads', () => {
    const seen = new Set<string>();
    const expression = arbitraryShape().chain((shape) => {
      const pattern = arbitraryPattern(shape.keyLength, {maskQueryLength: shape.queryLength});
      return fc.record({shape: fc.constant(shape), patterns: fc.array(pattern, {minLength: 1, maxLength: 2})});
    });
    const choice = fc.record({
      name: fc.constantFrom(...NAMES),
      implementation: fc.constantFrom('auto', 'fused', 'dense'),
      device: fc.constantFrom(CORE_DEVICE, SOFTWARE_DEVICE, {...CORE_DEVICE, subgroups: {min: 8, max: 32}}),
      batched: fc.boolean(),
    });
    fc.assert(
      fc.property(expression, choice, ({shape, patterns}, {name, implementation, device, batched}) => {
        const rows = patterns.map((pattern) => compress(pattern, shape));
        const of = rows.length === 1 ? [0] : [1, 0, 1];
        const [heads, batch] = batched ? [1, of.length] : [of.length, 1];
        const lines: Lines = {rows, heads, batch, of};
        const plan = makePlan(lines, problemFor(shape, {heads, batch}), device, implementation as 'auto', {tile: TILES[name]});
        for (const {kinds} of plan.passes) for (const [key, kind] of Object.entries(kinds)) seen.add(`${key} ${kind}`);
        patterns.forEach((pattern, index) => {
          const line = of.indexOf(index);
          const found = toDense(plan, batched ? {batch: line} : {head: line});
          const pairs = pairsOf(pattern, shape);
          for (let pair = 0; pair < pairs.length; pair++)
            if (found[pair] !== pairs[pair]) throw new Error(`pair ${pair} of line ${line}`);
        });
      }),
      {numRuns: 10000},
    );
    for (const kind of ['keys list', 'mask bits', 'mask interval', 'heads item', 'batch item']) expect(seen).toContain(kind);
  });

  it('are those of the pattern where some rows have no order, in lists of rows', () => {
    const rowsOf = (length: number): fc.Arbitrary<readonly number[]> =>
      fc.uniqueArray(fc.nat(length - 1), {minLength: 3, maxLength: 12});
    const window = fc.record({left: fc.integer({min: 40, max: 90}), right: fc.integer({min: 0, max: 90})}).map(slidingWindow);
    const given = fc
      .integer({min: 420, max: 480})
      .chain((length) => fc.tuple(fc.constant(length), rowsOf(length), window, fc.nat()));
    let lists = 0;
    fc.assert(
      fc.property(given, fc.constantFrom(...NAMES), ([length, rows, regular, seed], name) => {
        const random = mulberry32(seed);
        const mask = Uint8Array.from({length: length ** 2}, (_, pair) =>
          Number(rows.includes(Math.floor(pair / length)) && random() < 0.5),
        );
        const shape = {queryLength: length, keyLength: length, queryOffset: 0};
        const pattern = regular.or(fromMask(mask, {queryLength: length, keyLength: length}));
        const plan = makePlan(compress(pattern, shape), problemFor(shape), CORE_DEVICE, 'fused', {tile: TILES[name]});
        lists += Number(plan.passes.some(({kinds}) => kinds.rows === 'list'));
        checkPlan(plan);
        expectSamePairs(plan, pairsOf(pattern, shape));
      }),
      {numRuns: 40},
    );
    expect(lists).toBeGreaterThan(10);
  });
});
