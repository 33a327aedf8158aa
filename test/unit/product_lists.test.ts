import fc from 'fast-check';
import {CORE_DEVICE} from '../../src/plan/index.js';
import {
  makeProductPlan,
  PRODUCT_ITEM,
  PRODUCT_MERGE,
  readBlockMask,
  type ProductPlan,
  type ProductProblem,
} from '../../src/product/index.js';
import {BlockLists, MOST_BLOCKS, runOf} from '../../src/product/lists.js';
import {checkLaunches, generateProduct} from '../../src/wgsl/index.js';
import {mulberry32} from '../oracle.js';

interface Tile {
  readonly row: number;
  readonly column: number;
  readonly product: number;
  readonly blocks: readonly number[];
  readonly steps: number;
  readonly slot: number;
}

/** The items of a plan, read back. */
function itemsOf({schedule: {words, bitWords, itemsAt, items}, problem, tile}: ProductPlan): Tile[] {
  const block = problem.maskA === null && problem.maskB === null ? tile.step : problem.block.k;
  return Array.from({length: items}, (_, i) => {
    const word = (name: keyof typeof PRODUCT_ITEM): number => words[itemsAt + PRODUCT_ITEM.words * i + PRODUCT_ITEM[name]]!;
    const blocks: number[] = [];
    let left = word('steps');
    const take = (each: number): void => {
      blocks.push(each);
      left -= Math.ceil(Math.min(block, problem.k - each * block) / tile.step);
    };
    for (let at = 0; at < 32 * bitWords && left > 0; at++)
      if (((words[word('list') + (at >> 5)]! & words[word('word') + (at >> 5)]!) >>> (at & 31)) & 1) take(at);
    for (let at = word('list'); left > 0 && bitWords === 0; at++) {
      const [first, count] = runOf(words[at]!);
      for (let each = first; each < first + count && left > 0; each++) take(each);
    }
    if (bitWords === 0 && blocks.length > 0) expect(word('word')).toBe(words[word('list')]!);
    expect(left).toBe(0);
    return {row: word('row'), column: word('column'), product: word('product'), blocks, steps: word('steps'), slot: word('slot')};
  });
}

const entriesOf = (count: number, density: number, random: () => number): number[] =>
  Array.from({length: count}, () => (random() < density ? 1 : 0));

interface Drawn {
  readonly problem: ProductProblem;
  readonly a: number[] | null;
  readonly b: number[] | null;
  readonly c: number[] | null;
  readonly sides: readonly [m: number, k: number, n: number];
}

interface Wanted {
  readonly size: readonly [m: number, k: number, n: number];
  readonly block: readonly [m: number, k: number, n: number];
  readonly densities: readonly [a: number | null, b: number | null, c: number | null];
  readonly batch: number;
  readonly each: boolean;
  readonly seed: number;
}

function draw({size: [m, k, n], block: [bm, bk, bn], densities, batch, each, seed}: Wanted): Drawn {
  const random = mulberry32(seed);
  const sides = [Math.ceil(m / bm), Math.ceil(k / bk), Math.ceil(n / bn)] as const;
  const matrices = each ? batch : 1;
  const [a, b, c] = [sides[0] * sides[1], sides[1] * sides[2], sides[0] * sides[2]].map((count, i) =>
    densities[i] === null ? null : entriesOf(matrices * count, densities[i]!, random),
  ) as [number[] | null, number[] | null, number[] | null];
  const mask = (name: string, entries: number[] | null, rows: number, columns: number) =>
    entries === null ? null : readBlockMask(name, entries, {rows, columns, matrices: batch});
  const own = Int32Array.from({length: batch}, (_, i) => i);
  const problem = {
    ...{m, k, n, block: {m: bm, k: bk, n: bn}, transposeA: false, transposeB: false, matricesA: own, matricesB: own},
    maskA: mask('maskA', a, sides[0], sides[1]),
    maskB: mask('maskB', b, sides[1], sides[2]),
    maskC: mask('maskC', c, sides[0], sides[2]),
    precision: 'float32' as const,
  };
  return {problem, a, b, c, sides};
}

/** Every number of the output in one tile; every pair of blocks that counts in the lists of its tiles once, and no other. */
function expectExact(given: Wanted, listWords?: number): ProductPlan {
  const {problem, a, b, c, sides} = draw(given);
  const {m, n, block} = problem;
  const plan = makeProductPlan(problem, CORE_DEVICE, listWords === undefined ? {} : {listWords});
  const {tile, layers, schedule} = plan;
  const items = itemsOf(plan);
  const tiles = new Map<string, number[]>();
  for (const {row, column, product, blocks} of items)
    for (let layer = 0; layer < layers; layer++) {
      const key = `${product + layer} ${row} ${column}`;
      tiles.set(key, [...(tiles.get(key) ?? []), ...blocks]);
    }
  let useful = 0;
  expect(tiles.size).toBe(given.batch * Math.ceil(m / tile.rows) * Math.ceil(n / tile.columns));
  const {maskA, maskB} = plan.problem;
  const own = maskA === null && maskB === null ? tile.step : block.k;
  for (const [key, blocks] of tiles) {
    const [product, row, column] = key.split(' ').map(Number) as [number, number, number];
    const matrix = given.each ? product : 0;
    const [i, j] = [Math.floor(row / block.m), Math.floor(column / block.n)];
    const isWanted = c === null || c[(matrix * sides[0] + i) * sides[2] + j] === 1;
    const expected = Array.from({length: Math.ceil(given.size[1] / own)}, (_, each) => each).filter((each) => {
      const l = Math.floor((each * own) / block.k);
      const ofA = a === null || maskA === null || a[(matrix * sides[0] + i) * sides[1] + l] === 1;
      const ofB = b === null || maskB === null || b[(matrix * sides[1] + l) * sides[2] + j] === 1;
      return isWanted && ofA && ofB;
    });
    expect(blocks)
      .withContext(`${key} of ${JSON.stringify(given)}`)
      .toEqual(expected);
    for (const each of expected)
      useful += 2 * Math.min(own, problem.k - each * own) * Math.min(tile.rows, m - row) * Math.min(tile.columns, n - column);
  }
  expect(plan.usefulFlops).toBe(useful);
  expect(plan.computedFlops).toBeGreaterThanOrEqual(useful);
  expect([...schedule.steps]).toEqual(items.map(({steps}) => steps));
  return plan;
}

const size = fc.integer({min: 1, max: 300});
const side = fc.constantFrom(8, 12, 16, 20, 32, 64, 68, 100, 128);
const density = fc.constantFrom(null, 0, 0.1, 0.5, 1);
const wanted = fc.record({
  size: fc.tuple(size, size, size),
  block: fc.tuple(side, side, side),
  densities: fc.tuple(density, density, density),
  batch: fc.constantFrom(1, 1, 3),
  each: fc.boolean(),
  seed: fc.nat(1000),
});

describe('lists of blocks', () => {
  it('have every pair of blocks that both masks hold exactly once, in order, in the tiles that the output wants', () => {
    fc.assert(
      fc.property(wanted, (given) => {
        expectExact(given);
        const {problem, schedule} = expectExact(given, 0);
        const {maskA, maskB} = problem;
        expect(schedule.bitWords > 0).toBe(maskA !== null && maskB !== null && maskA.held * maskB.held > 0);
      }),
      {numRuns: 60},
    );
  });

  it('lie longest first, those of one length in the order of memory', () => {
    const plan = expectExact({
      size: [512, 512, 512],
      block: [16, 16, 16],
      densities: [0.3, 0.3, null],
      batch: 1,
      each: false,
      seed: 3,
    });
    expect(plan.schedule.merges).toBe(0);
    const items = itemsOf(plan);
    for (let i = 1; i < items.length; i++) {
      const [before, after] = [items[i - 1]!, items[i]!];
      expect(before.steps).toBeGreaterThanOrEqual(after.steps);
      if (before.steps === after.steps) expect(before.row * 512 + before.column).toBeLessThan(after.row * 512 + after.column);
    }
  });

  it('are cut where items are few and lists long, each part next to the one before it, and merges name them', () => {
    for (const densities of [
      [null, null, null],
      [0.6, null, null],
      [0.6, 0.9, null],
      [null, null, 0.5],
    ] as const) {
      const plan = expectExact({size: [128, 4000, 70], block: [32, 32, 32], densities, batch: 2, each: true, seed: 5});
      const {words, mergesAt, merges, slots} = plan.schedule;
      expect(merges).withContext(String(densities)).toBeGreaterThan(0);
      const parts = itemsOf(plan).filter(({slot}) => slot > 0);
      expect(parts.map(({slot}) => slot).sort((x, y) => x - y)).toEqual(Array.from({length: slots}, (_, i) => i + 1));
      for (let i = 0; i < merges; i++) {
        const at = mergesAt + PRODUCT_MERGE.words * i;
        const [row, column, slot, count, product] = words.subarray(at, at + PRODUCT_MERGE.words) as Iterable<number> as [
          number,
          number,
          number,
          number,
          number,
        ];
        const own = parts.filter((part) => part.slot > slot && part.slot <= slot + count);
        expect(own.length).toBe(count);
        for (const part of own) expect([part.row, part.column, part.product]).toEqual([row, column, product]);
        const blocks = [...own].sort((x, y) => x.slot - y.slot).flatMap((part) => part.blocks);
        expect(blocks).toEqual([...blocks].sort((x, y) => x - y));
      }
    }
  });

  it('are shared by the tiles of a row, by products with equal masks, and by the matrices of a batch', () => {
    const one = expectExact({
      size: [256, 256, 256],
      block: [16, 16, 16],
      densities: [0.3, null, null],
      batch: 1,
      each: false,
      seed: 1,
    });
    expect(one.lists.distinct).toBeLessThanOrEqual(16);
    const shared = expectExact({
      size: [64, 64, 64],
      block: [16, 16, 16],
      densities: [0.5, 0.5, null],
      batch: 3,
      each: false,
      seed: 1,
    });
    expect(shared.layers).toBe(3);
    const each = expectExact({size: [64, 64, 64], block: [16, 16, 16], densities: [0.5, 0.5, null], batch: 3, each: true, seed: 1});
    expect(each.layers).toBe(1);
    expect(each.tiles).toBe(shared.tiles);
    const mask = entriesOf(16, 0.5, mulberry32(1));
    const equal = readBlockMask('mask', [...mask, ...mask, ...mask], {rows: 4, columns: 4, matrices: 3});
    expect([equal.distinct, equal.of.length]).toEqual([1, 1]);
    const two = readBlockMask('mask', [...mask, ...mask.map((entry) => 1 - entry), ...mask], {rows: 4, columns: 4, matrices: 3});
    expect([two.distinct, ...two.of]).toEqual([2, 0, 1, 0]);
  });

  it('of more than 65,535 items lie on two axes of the grid, and ranges of them are cut by their weight', () => {
    const {problem} = draw({size: [2080, 24, 2064], block: [8, 8, 8], densities: [0.5, 0.5, null], batch: 1, each: false, seed: 2});
    const plan = makeProductPlan(problem, CORE_DEVICE);
    const {launches} = generateProduct(plan);
    const {grid, range, cut} = launches[0]!;
    expect(plan.schedule.items).toBe(260 * 258);
    expect(grid).toEqual([32768, 3, 1]);
    const parts = cut!(range!.ms / 5);
    expect(parts.length).toBeGreaterThanOrEqual(5);
    expect(parts.at(-1)!.range.end).toBe(260 * 258);
    expect(parts.reduce((sum, part) => sum + part.range.weight!, 0)).toBe(range!.weight!);
    parts.forEach((part, i) => expect(part.range.begin).toBe(i === 0 ? 0 : parts[i - 1]!.range.end));
    checkLaunches(generateProduct(plan));
  });

  it('join runs, split those that a word cannot say, and end where the sum does', () => {
    const lists = new BlockLists({numbers: 8 * 3000 - 5, block: 8, step: 8});
    const all = lists.addAll();
    expect(lists.runs(all)).toEqual([
      [0, 1024],
      [1024, 1024],
      [2048, 952],
    ]);
    expect([lists.steps(all), lists.numbers(all)]).toEqual([3000, 8 * 3000 - 5]);
    const bits = new Uint32Array(94).fill(0xffffffff);
    bits[93] = 0x00ffffff;
    expect(lists.runs(lists.addMet(bits, 0, null, 0))).toEqual(lists.runs(all));
    bits.fill(0);
    expect(lists.addMet(bits, 0, null, 0)).toBe(0);
    [bits[0], bits[1], bits[2]] = [0xc0000001, 0x80000003, 0x00000001];
    expect(lists.runs(lists.addMet(bits, 0, null, 0))).toEqual([
      [0, 1],
      [30, 4],
      [63, 2],
    ]);
    expect(runOf((MOST_BLOCKS - 1) | (1023 << 22))).toEqual([MOST_BLOCKS - 1, 1024]);
  });
});
