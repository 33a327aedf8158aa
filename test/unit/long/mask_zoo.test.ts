import {mulberry32} from '../../oracle.js';
import {drawMask, MASK_ZOO, type DrawnMask} from '../../support/mask_zoo.js';
import {pairsOf} from '../../support/plans.js';

/** As drawn by hand: rows of text, `x` where a query attends. */
const spelt = (name: string, n: number): string[] => {
  const {attends} = drawn(name, n);
  return Array.from({length: n}, (_, query) => Array.from({length: n}, (_, key) => (attends(query, key) ? 'x' : '.')).join(''));
};

function drawn(name: string, n: number): DrawnMask {
  return drawMask(
    MASK_ZOO.find((each) => each.name === name)!,
    n,
  );
}

const rowLengths = (name: string, n: number): number[] => {
  const {attends} = drawn(name, n);
  return Array.from({length: n}, (_, query) =>
    Array.from({length: n}, (_, key) => Number(attends(query, key))).reduce((a, b) => a + b),
  );
};

describe('the masks of the zoo', () => {
  it('are patterns of exactly the pairs that their arithmetic says, the same at every drawing', () => {
    for (const zoo of MASK_ZOO)
      for (const n of [1, 130]) {
        const {attends, pattern} = drawMask(zoo, n);
        const pairs = Uint8Array.from({length: n * n}, (_, pair) => Number(attends(Math.floor(pair / n), pair % n)));
        expect(pairsOf(pattern, {queryLength: n, keyLength: n, queryOffset: 0}))
          .withContext(`${zoo.name}, ${n}`)
          .toEqual(pairs);
        expect(drawMask(zoo, n).pattern.toString() === pattern.toString())
          .withContext(zoo.name)
          .toBeTrue();
      }
  });

  it('are those of the papers', () => {
    expect(spelt('logSparse', 6)).toEqual(['x.....', 'xx....', 'xxx...', '.xxx..', 'x.xxx.', '.x.xxx']);
    // The root and its eight drafts.
    expect(spelt('medusa', 11).map((row) => row.slice(0, 3))).toEqual([
      'x..',
      'xx.',
      'x.x',
      ...Array<string>(6).fill('x..'),
      'xx.',
      'xx.',
    ]);
    expect(spelt('medusa', 938)[937]).toBe(`${'.'.repeat(937)}x`);
    // Two of a path of five drafts, and their root.
    expect(rowLengths('medusa', 937).at(-1)).toBe(6);
    expect(new Set(rowLengths('swin', 1024))).toEqual(new Set([64]));
    // Four regions of a window at a corner of the rolled grid, two at its edges.
    expect([...new Set(rowLengths('shiftedSwin', 1024))].sort((a, b) => a - b)).toEqual([16, 32, 64]);
    expect(new Set(rowLengths('neighbourhood', 1024))).toEqual(new Set([169]));
    expect(rowLengths('fixed', 300).slice(126, 131)).toEqual([127, 128, 9, 10, 11]);
    expect(rowLengths('hub', 300).filter((keys) => keys !== 16)).toEqual([300]);
    expect(Math.max(...rowLengths('powerLaw', 1024))).toBeGreaterThan(100);
  });

  it('have the nearest neighbours that all distances say', () => {
    const n = 300;
    const random = mulberry32(31);
    const [x, y] = [Array.from({length: n}, random), Array.from({length: n}, random)];
    const {attends} = drawn('nearest16', n);
    const numbers = x.map((_, token) => token);
    for (const query of numbers) {
      const far = (key: number): number => Math.hypot(x[key]! - x[query]!, y[key]! - y[query]!);
      const nearest = [...numbers].sort((a, b) => far(a) - far(b)).slice(0, 16);
      expect(numbers.filter((key) => attends(query, key))).toEqual(nearest.sort((a, b) => a - b));
    }
  });

  it('have the share of pairs that they say', () => {
    const share = (name: string, n: number): number => rowLengths(name, n).reduce((a, b) => a + b) / n ** 2;
    expect(share('random1', 1024)).toBeCloseTo(0.011, 3);
    expect(share('random10', 1024)).toBeCloseTo(0.1, 2);
    expect(share('buckets', 1024)).toBeCloseTo(1 / 32, 2);
  });
});
