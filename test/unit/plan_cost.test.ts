import {planFor, problemFor, SOFTWARE_DEVICE} from '../support/plans.js';
import {PATTERNS} from '../../bench/patterns.js';
import {CORE_DEVICE, type Plan} from '../../src/plan/index.js';
import {randomMask} from '../corpus.js';

const LENGTHS = [1024, 4096, 16384];

const planned = new Map<string, Plan>();

/** A plan at the benchmark's sizes: 8 heads of 64 features. */
function benchPlan(name: string, length: number): Plan {
  const known = planned.get(`${name} ${length}`);
  if (known !== undefined) return known;
  const {pattern} = PATTERNS.find((each) => each.name === name)!;
  const plan = planFor(pattern, problemFor({queryLength: length, keyLength: length, queryOffset: 0}, {heads: 8, headDim: 64}));
  planned.set(`${name} ${length}`, plan);
  return plan;
}

describe('the cost model', () => {
  it('runs every pattern of the benchmark fused, at every length', () => {
    for (const {name} of PATTERNS) {
      for (const length of LENGTHS) expect(benchPlan(name, length).implementation).withContext(`${name} ${length}`).toBe('fused');
    }
  });

  it('runs a random half of all pairs dense, at every length', () => {
    for (const length of [16, 64, 200, 500]) {
      const plan = planFor(
        randomMask(length, length, 0.5, length),
        problemFor({queryLength: length, keyLength: length, queryOffset: 0}),
      );
      expect(plan.implementation).withContext(`${length}`).toBe('dense');
    }
  });

  it('runs fused where the mask bits of a dense kernel would not fit a binding', () => {
    const pattern = randomMask(500, 500, 0.5, 1);
    const problem = problemFor({queryLength: 500, keyLength: 500, queryOffset: 0});
    expect(planFor(pattern, problem).implementation).toBe('dense');
    const small = planFor(pattern, problem, {...CORE_DEVICE, maxBindingBytes: 31999});
    expect([small.implementation, small.reason]).toEqual(['fused', 'dense would bind 32000 bytes of mask, the device takes 31999']);
  });

  it('orders patterns as the reference GPU did at n = 4096', () => {
    const cost = (name: string): number => benchPlan(name, 4096).costMs;
    const order = ['dilated', 'window', 'causal', 'full'];
    expect([...order].sort((a, b) => cost(a) - cost(b))).toEqual(order);
  });

  it('gives longer sequences higher costs', () => {
    for (const {name} of PATTERNS) {
      const costs = LENGTHS.map((length) => benchPlan(name, length).costMs);
      expect(costs)
        .withContext(name)
        .toEqual([...costs].sort((a, b) => a - b));
    }
  });

  it('says how many times faster the choice is', () => {
    expect(benchPlan('window', 4096).reason).toMatch(
      /^computes \d+ key tiles where dense computes 4096; predicted \d+(\.\d)?× faster than dense$/,
    );
  });
});

describe('at n = 16384', () => {
  const FLOORS: Readonly<Record<string, number>> = {
    dilated: 0.65,
    strided: 0.65,
    window: 0.85,
    causal: 0.95,
    blockLocal: 1,
    longformer: 0.85,
  };
  for (const [name, floor] of Object.entries(FLOORS)) {
    it(`at least ${floor} of the pairs computed for ${name} are attended`, () => {
      expect(benchPlan(name, 16384).tileDensity).toBeGreaterThanOrEqual(floor);
    });
  }

  it('no pattern of the benchmark needs more memory beside the tensors than twice the output', () => {
    const outputBytes = 4 * 8 * 16384 * 64;
    for (const {name} of PATTERNS)
      expect(benchPlan(name, 16384).bytes)
        .withContext(name)
        .toBeLessThanOrEqual(2 * outputBytes);
  });
});

describe('tiles', () => {
  const tileOf = (name: string, length: number): string => {
    const {rows, keys} = benchPlan(name, length).tile;
    return `${rows}×${keys}`;
  };

  it('are large, but for rows and residue classes too short to fill them', () => {
    expect(tileOf('causal', 16384)).toBe('64×64');
    expect(tileOf('dilated', 4096)).toBe('32×32');
    expect(tileOf('strided', 4096)).toBe('32×32');
    expect(tileOf('strided', 16384)).toBe('64×64');
  });

  it('of 64 × 64 pairs never go to a software adapter, whose compiler takes minutes for them', () => {
    for (const {pattern, name} of PATTERNS) {
      const plan = planFor(
        pattern,
        problemFor({queryLength: 2048, keyLength: 2048, queryOffset: 0}, {headDim: 64}),
        SOFTWARE_DEVICE,
      );
      expect(plan.tile.rows * plan.tile.keys)
        .withContext(name)
        .toBe(1024);
    }
  });

  it('have half as many rows an invocation when values are wide', () => {
    for (const valueDim of [129, 256]) {
      const problem = problemFor({queryLength: 8192, keyLength: 8192, queryOffset: 0}, {valueDim});
      const {rows, threadsY} = planFor(PATTERNS[0]!.pattern, problem).tile;
      expect(rows / threadsY).toBe(2);
    }
  });
});
