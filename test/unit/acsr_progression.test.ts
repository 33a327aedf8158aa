import fc from 'fast-check';
import {intersect, subtract} from '../../src/acsr/progression.js';
import {intersectRows, subtractRows, uniteRows} from '../../src/acsr/row_sets.js';
import {RunList} from '../../src/acsr/runs.js';

type Run = readonly [start: number, stride: number, count: number];

function listOf(...runs: readonly Run[]): RunList {
  const list = new RunList();
  for (const run of runs) list.add(...run);
  return list;
}

const runsIn = (list: RunList): Run[] =>
  Array.from({length: list.length}, (_, i) => [list.start[i]!, list.stride[i]!, list.count[i]!] as const);

const keysOf = (runs: readonly Run[]): number[] =>
  runs.flatMap(([start, stride, count]) => Array.from({length: count}, (_, i) => start + stride * i));
const ascending = (keys: readonly number[]) => [...keys].sort((a, b) => a - b);

/** The keys of a list, each run's in turn: a key twice if two runs share it. */
const keysIn = (list: RunList) => ascending(keysOf(runsIn(list)));

const arbitraryRun = fc.tuple(fc.nat(60), fc.integer({min: 1, max: 12}), fc.integer({min: 1, max: 20}));

/** Disjoint runs in finished order, as the row of a pattern has them. */
const arbitraryRow = fc.array(arbitraryRun, {maxLength: 4}).map((runs) => {
  let row = new RunList();
  for (const run of runs) {
    const next = new RunList();
    uniteRows(row, listOf(run), next);
    row = next;
  }
  return row;
});

describe('two progressions', () => {
  it('have a progression in common, or nothing', () => {
    fc.assert(
      fc.property(arbitraryRun, arbitraryRun, (a, b) => {
        const out = new RunList();
        const count = intersect(listOf(a), 0, listOf(b), 0, out);
        const other = new Set(keysOf([b]));
        expect(keysIn(out)).toEqual(keysOf([a]).filter((key) => other.has(key)));
        expect(out.length).toBe(count > 0 ? 1 : 0);
      }),
    );
  });

  it('meet at every multiple of both strides', () => {
    const out = new RunList();
    intersect(listOf([1, 6, 20]), 0, listOf([7, 15, 10]), 0, out);
    expect(runsIn(out)).toEqual([[7, 30, 4]]);
  });

  it('are intersected exactly where products of keys pass 2⁵³', () => {
    const [p, q] = [46337, 46339]; // primes near √2³¹
    const out = new RunList();
    intersect(listOf([5, p, 46340]), 0, listOf([11, q, 46340]), 0, out);
    expect(out.length).toBe(1);
    const key = BigInt(out.start[0]!);
    expect((key - 5n) % BigInt(p)).toBe(0n);
    expect((key - 11n) % BigInt(q)).toBe(0n);
    expect(out.count[0]).toBe(1);
  });

  it('have nothing in common when their lattices never meet in 32 bits', () => {
    const out = new RunList();
    expect(intersect(listOf([0, 2 ** 30 - 35, 2]), 0, listOf([1, 2 ** 30 - 1, 2]), 0, out)).toBe(0);
  });

  it('leave a few progressions when one is taken from the other', () => {
    fc.assert(
      fc.property(arbitraryRun, arbitraryRun, (a, b) => {
        const out = new RunList();
        subtract(listOf(a), 0, listOf(b), 0, out);
        const taken = new Set(keysOf([b]));
        expect(keysIn(out)).toEqual(keysOf([a]).filter((key) => !taken.has(key)));
      }),
    );
  });

  it('leave gaps or interleaved runs, whichever are fewer', () => {
    const out = new RunList();
    subtract(listOf([0, 1, 30]), 0, listOf([3, 10, 3]), 0, out);
    expect(runsIn(out)).toEqual([[0, 1, 3], [24, 1, 6], [4, 1, 9], [14, 1, 9]]); // prettier-ignore
    subtract(listOf([0, 1, 30]), 0, listOf([0, 3, 10]), 0, out.clear());
    expect(runsIn(out)).toEqual([[1, 3, 10], [2, 3, 10]]); // prettier-ignore
  });
});

describe('the sets of two rows', () => {
  const cases: readonly [string, typeof uniteRows, (inA: boolean, inB: boolean) => boolean][] = [
    ['union', uniteRows, (inA, inB) => inA || inB],
    ['intersection', intersectRows, (inA, inB) => inA && inB],
    ['difference', subtractRows, (inA, inB) => inA && !inB],
  ];
  for (const [name, operation, wanted] of cases) {
    it(`have the ${name} of the keys, each once, in ascending disjoint runs`, () => {
      fc.assert(
        fc.property(arbitraryRow, arbitraryRow, (a, b) => {
          const out = new RunList();
          operation(a, b, out);
          fc.pre(!out.overflow);
          const [inA, inB] = [new Set(keysIn(a)), new Set(keysIn(b))];
          const keys = ascending([...new Set([...inA, ...inB])]).filter((key) => wanted(inA.has(key), inB.has(key)));
          expect(keysIn(out)).toEqual(keys);
          const starts = runsIn(out).map(([start]) => start);
          expect(starts).toEqual(ascending(starts));
          expect(out.unit).toBe(runsIn(out).every(([, stride]) => stride === 1));
        }),
        {numRuns: 300},
      );
    });
  }

  it('pass an overflow on', () => {
    const [full, out] = [new RunList(), new RunList()];
    for (let i = 0; i < 65; i++) full.add(2 * i, 1, 1);
    expect(full.overflow).toBeTrue();
    for (const [, operation] of cases) {
      operation(full, listOf([0, 1, 1]), out);
      expect(out.overflow).toBeTrue();
    }
  });
});
