import fc from 'fast-check';
import {countPairs, countVisits, gridOf} from '../../demo/explain/cells.js';
import {deviceOf} from '../../demo/explain/devices.js';
import {PRESETS} from '../../demo/explain/presets.js';
import {progression, runsOf, spansOf} from '../../demo/explain/row.js';
import {DEVICES, FIRST_STATE, HEAD_DIMS, LONGEST, printState, readState} from '../../demo/explain/state.js';
import {compile, compress, problemOf} from '../../src/pure.js';
import {decodeRow} from '../../src/acsr/index.js';
import {toDense} from '../../src/plan/index.js';
import {CORPUS, problemOfCase, randomMask} from '../corpus.js';

const sum = (values: Float64Array): number => values.reduce((a, b) => a + b, 0);

describe('the address of the studio', () => {
  const states = fc.record({
    pattern: fc.string(),
    length: fc.integer({min: 1, max: LONGEST}),
    headDim: fc.constantFrom(...HEAD_DIMS),
    device: fc.constantFrom(...DEVICES),
    query: fc.integer({min: 0, max: LONGEST - 1}),
    key: fc.integer({min: 0, max: LONGEST - 1}),
  });

  it('holds whatever the studio shows', () => {
    fc.assert(fc.property(states, (state) => expect(readState(printState(state))).toEqual(state)));
  });

  it('is forgiven what it lacks and what is no good', () => {
    expect(readState('')).toEqual(FIRST_STATE);
    expect(readState('#length=-3&headDim=7&device=abacus&query=1e3&key=')).toEqual(FIRST_STATE);
    expect(readState('#pattern=causal&length=12')).toEqual({...FIRST_STATE, pattern: 'causal', length: 12});
  });
});

describe('the pictures of the studio', () => {
  const square = CORPUS.filter(({shape}) => shape.queryLength === shape.keyLength);

  it('count the pairs of every cell as the dense mask has them', () => {
    for (const each of square) {
      const length = each.shape.queryLength;
      const {lines, plan} = compile(each.pattern, problemOfCase(each), deviceOf('core', null).device);
      const acsr = lines!.rows[0]!;
      const dense = toDense(plan);
      for (const most of [3, 5, 16, 512]) {
        const grid = gridOf(length, most);
        const expected = new Float64Array(grid.side ** 2);
        dense.forEach((attends, pair) => {
          const [query, key] = [Math.floor(pair / length), pair % length];
          expected[Math.floor(query / grid.size) * grid.side + Math.floor(key / grid.size)]! += attends;
        });
        expect(countPairs(acsr!, grid)).withContext(`${each.name} in ${grid.side} cells`).toEqual(expected);
      }
    }
  });

  it('count the bits of irregular rows', () => {
    const acsr = compress(randomMask(90, 700, 0.5, 3), {queryLength: 90, keyLength: 700});
    expect(acsr.irregularRows.length).toBe(90);
    for (const size of [30, 32, 64]) {
      const grid = {size, side: Math.ceil(700 / size)};
      const expected = new Float64Array(grid.side ** 2);
      for (let query = 0; query < 90; query++) {
        for (const key of decodeRow(acsr, query)) expected[Math.floor(query / size) * grid.side + Math.floor(key / size)]! += 1;
      }
      expect(countPairs(acsr, grid)).withContext(`cells of ${size}`).toEqual(expected);
    }
  });

  it('show every pair computed, full ones among them, and none outside of the length', () => {
    for (const each of square) {
      const {lines, plan} = compile(each.pattern, problemOfCase(each), deviceOf('core', null).device);
      const acsr = lines!.rows[0]!;
      if (plan.nnz === 0) continue;
      const grid = gridOf(each.shape.queryLength, 16);
      const {computed, full} = countVisits(plan, grid);
      const pairs = countPairs(acsr!, grid);
      expect(sum(computed)).withContext(each.name).toBeGreaterThanOrEqual(plan.nnz);
      expect(computed.every((count, cell) => count >= pairs[cell]! && full[cell]! <= pairs[cell]!))
        .withContext(each.name)
        .toBeTrue();
    }
  });

  it('show all of a dense plan as computed and nothing as full', () => {
    const each = CORPUS.find(({name}) => name === 'random-mask')!;
    const {plan} = compile(each.pattern, problemOfCase(each), deviceOf('core', null).device);
    expect(plan.implementation).toBe('dense');
    const {computed, full} = countVisits(plan, {size: 61, side: 1});
    expect([computed[0], full[0]]).toEqual([45 * 61, 0]);
  });
});

describe('one row of the studio', () => {
  const {lines, plan} = compile(
    PRESETS.find(({name}) => name === 'Longformer')!.pattern,
    problemOf({queryLength: 1024, keyLength: 1024, headDim: 64}),
    deviceOf('core', null).device,
  );
  const acsr = lines!.rows[0]!;

  it('shows the runs of the row', () => {
    expect(runsOf(acsr!, 512)).toEqual([
      {start: 0, stride: 1, count: 16, keys: '0 … 15'},
      {start: 448, stride: 1, count: 129, keys: '448 … 576'},
    ]);
    for (const query of [0, 17, 1023]) {
      const keys = runsOf(acsr!, query)!.reduce((total, {count}) => total + count, 0);
      expect(keys).toBe(decodeRow(acsr!, query).length);
    }
  });

  it('shows the tiles that own it', () => {
    const spans = spansOf(plan, 512);
    expect(spans.length).toBeGreaterThan(1);
    expect(spans.every(({rows}) => rows.includes('512'))).toBeTrue();
  });

  it('says that a row without arithmetic is kept as bits', () => {
    const each = CORPUS.find(({name}) => name === 'irregular-mask')!;
    const compiled = compile(each.pattern, problemOfCase(each), deviceOf('core', null).device);
    expect(runsOf(compiled.lines!.rows[0]!, compiled.lines!.rows[0]!.irregularRows[0]!)).toBeNull();
    expect(spansOf(compiled.plan, 0)).toEqual([]);
  });

  it('writes progressions as one reads them', () => {
    expect([progression(5, 1, 1), progression(0, 1, 1000), progression(3, 8, 100), progression(0, 4, 0)]).toEqual([
      '5',
      '0 … 999',
      '3, 11 … 795',
      'none',
    ]);
  });
});

describe('the presets of the studio', () => {
  it('compile for every device', () => {
    for (const {name, pattern, length = 1024} of PRESETS) {
      for (const choice of DEVICES) {
        const {device, precision} = deviceOf(choice, null);
        const problem = problemOf({queryLength: length, keyLength: length, headDim: 64, heads: 8});
        const {launches, plan} = compile(pattern, problem, device, {precision});
        expect(launches.length).withContext(`${name} for ${choice}`).toBeGreaterThan(0);
        expect(plan.matrix !== null)
          .withContext(`${name} for ${choice}`)
          .toBe(choice === 'tensor');
      }
    }
  });
});
