import {compress} from '../../src/acsr/index.js';
import {parsePattern} from '../../src/pattern/index.js';
import {CORE_DEVICE, scorePlan, type ScorePlan, type ScoreProduct} from '../../src/plan/index.js';
import {problemFor} from '../support/plans.js';

const H200 = {...CORE_DEVICE, vendor: 'nvidia'};

function planOf(product: ScoreProduct, pattern: string, n = 4096, headDim = 64): ScorePlan | null {
  const shape = {queryLength: n, keyLength: n, queryOffset: 0};
  return scorePlan(product, compress(parsePattern(pattern), shape), problemFor(shape, {heads: 8, headDim}), H200);
}

const WINDOW = 'slidingWindow(left: 256, right: 256)';

describe('plans of products over tiles:', () => {
  it('scores are cut at three key tiles', () => {
    const {rows} = planOf('sddmm', WINDOW)!;
    expect(Math.max(...rows.weights)).toBe(3);
    expect(rows.tile).toEqual(jasmine.objectContaining({rows: 64, keys: 64}));
  });

  it('sums of short rows run all at once, those of long rows in parts of 512 keys', () => {
    const short = planOf('spmm', WINDOW)!.rows;
    // 1,024 workgroups for 8 heads, of which 132 × 8 fit.
    expect([short.tile.rows, short.tile.keys, short.weights.length, short.slots]).toEqual([32, 16, 128, 0]);
    expect(short.tile.workgroupBytes).toBe(6144);
    const long = planOf('spmm', 'causal()')!.rows;
    expect([long.tile.rows, long.tile.keys]).toEqual([64, 16]);
    expect(Math.max(...long.weights)).toBeLessThanOrEqual(40);
    expect(long.slots).toBeGreaterThan(0);
  });

  it('transposed ones own 32 keys, those of long rows 64 in parts', () => {
    const {keys} = planOf('transposed', WINDOW)!;
    expect(keys!.weights.length).toBe(128);
    expect(keys!.slots).toBe(0);
    const long = planOf('transposed', 'causal()')!;
    expect([long.rows.tile.rows, long.rows.tile.keys]).toEqual([16, 64]);
    expect(long.keys!.slots).toBeGreaterThan(0);
  });

  it('choose tiles that hold a quarter of pairs, and rows else', () => {
    expect(planOf('sddmm', WINDOW)!.choice).toBe('tiles');
    expect(planOf('spmm', 'causal()')!.choice).toBe('tiles');
    expect(planOf('sddmm', 'slidingWindow(left: 4)')!.choice).toBe('rows');
    for (const product of ['sddmm', 'spmm', 'transposed'] as const) {
      const {tileDensity, predictedMs} = planOf(product, WINDOW)!;
      expect(tileDensity).toBeGreaterThan(0.75);
      expect(predictedMs.tiles).toBeLessThan(predictedMs.rows);
    }
  });

  it('there are none of rows without arithmetic, of pairs without a closed form, of no pairs and of wide features', () => {
    expect(planOf('spmm', 'strided(stride: 2) or strided(stride: 3)', 64)).toBeNull();
    expect(planOf('spmm', 'not full()', 64)).toBeNull();
    expect(planOf('sddmm', WINDOW, 64, 300)).toBeNull();
  });

  it('keys that nobody attends to are not read', () => {
    const gap = `${WINDOW} and not globalTokens([700])`;
    expect(planOf('spmm', gap, 1024)).toBeNull();
    expect(planOf('sddmm', gap, 1024)).not.toBeNull();
  });
});
