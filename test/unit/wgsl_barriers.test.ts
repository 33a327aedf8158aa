import {CORE_DEVICE} from '../../src/pure.js';
import {slidingWindow} from '../../src/pattern/index.js';
import {TILES} from '../../src/plan/configurations.js';
import type {Plan, TileShape} from '../../src/plan/index.js';
import {attendSteps} from '../../src/wgsl/attend/attend_steps.js';
import {placeBarriers, type Region, type Step, type Steps} from '../../src/wgsl/tile/barriers.js';
import {kernelShape} from '../../src/wgsl/tile/kernel_shape.js';
import {MatrixTrip} from '../../src/wgsl/matrix/matrix_steps.js';
import {matrixAccess, matrixShape} from '../../src/wgsl/matrix/matrix_shape.js';
import {PLAIN} from '../../src/wgsl/index.js';
import {Share} from '../../src/wgsl/tile/share.js';
import {MATRIX_16, MATRIX_8, planFor, problemFor} from '../support/plans.js';

interface Kernel {
  readonly what: string;
  readonly steps: Steps;
  readonly memory: number;
}

/** Kernels whose steps differ: every tile shape, storage and way to reduce, with one and with several chunks of keys and values. */
const kernels: Kernel[] = [];
const base = planFor(
  slidingWindow({left: 200}),
  problemFor({queryLength: 900, keyLength: 900, queryOffset: 0}),
  CORE_DEVICE,
  'fused',
);
for (const [name, tile] of Object.entries(TILES) as [string, TileShape][]) {
  if (tile.queries === 'fragments') continue;
  for (const headDim of [8, 64, 80, 128, 256]) {
    for (const storage of ['float32', 'float16'] as const) {
      for (const min of [1, 4, 8]) {
        const device = {...CORE_DEVICE, subgroups: min === 1 ? null : {min, max: 32}};
        const plan: Plan = {...base, tile, storage, device, problem: {...base.problem, headDim, valueDim: headDim}};
        const shape = kernelShape(plan, PLAIN);
        kernels.push({
          what: `${name}, ${storage}, ${headDim} features, subgroups of ${min} and more`,
          steps: attendSteps(new Share(shape)),
          memory: shape.memory,
        });
      }
    }
  }
}

for (const tile of [TILES.matrix, TILES.matrixEager, TILES.matrixNarrow]) {
  for (const matrix of [MATRIX_16, MATRIX_8]) {
    for (const exact of [false, true]) {
      for (const headDim of [16, 64, 128]) {
        const storage = matrix === MATRIX_16 ? 'float16' : 'float32';
        const problem = {...base.problem, headDim, valueDim: headDim};
        const shape = matrixShape({...base, tile, storage, matrix, problem}, matrix, PLAIN, exact);
        kernels.push({
          what: `matrices of ${matrix.M}, ${tile.rows} rows, ${headDim} features, exact ${exact}`,
          steps: new MatrixTrip(shape, matrixAccess(shape)).steps(),
          memory: shape.memory,
        });
      }
    }
  }
}

/** Pairs of steps of which one may overtake the other, with up to three trips of each loop. An invocation is only stopped by a barrier. */
function races(steps: Steps, barriers: ReadonlySet<Step>): string[] {
  const found = new Set<string>();
  for (const path of steps.paths(3)) {
    for (let late = 0; late < path.length; late++) {
      for (let early = late - 1; early >= 0 && !barriers.has(path[early + 1]!); early--) {
        const [a, b] = [path[early]!, path[late]!];
        if (meets(a.writes, b.reads) || meets(a.writes, b.writes) || meets(a.reads, b.writes)) found.add(`${a.name} | ${b.name}`);
      }
    }
  }
  return [...found];
}

const meets = (left: readonly Region[], right: readonly Region[]): boolean =>
  left.some((a) =>
    right.some((b) => Math.max(a.begin, b.begin) < Math.min(a.end, b.end) && !(a.collective === true && b.collective === true)),
  );

describe('barriers', () => {
  it('leave no two steps that race', () => {
    for (const {what, steps} of kernels)
      expect(races(steps, placeBarriers(steps)))
        .withContext(what)
        .toEqual([]);
  });

  it('are all needed: without any one of them two steps race', () => {
    for (const {what, steps} of kernels) {
      const placed = placeBarriers(steps);
      for (const barrier of placed) {
        const others = new Set([...placed].filter((step) => step !== barrier));
        expect(races(steps, others).length).withContext(`${what}: in front of ${barrier.name}`).toBeGreaterThan(0);
      }
    }
  });

  it('guard regions that lie inside the memory, and steps that touch memory name a region', () => {
    for (const {what, steps, memory} of kernels) {
      for (const {name, reads, writes, code} of new Set(steps.paths(1).flat())) {
        for (const {begin, end} of [...reads, ...writes]) {
          expect(begin).toBeLessThan(end);
          expect(end).toBeLessThanOrEqual(memory);
        }
        const stores = (code.match(/(memory|slices|keys|values)\[[^;]*\] = |MatrixStore<.*&slices/g) ?? []).length;
        const accesses = (code.match(/(memory|slices\[subgroup\]|keys|values)\[|Matrix(Load|Store)</g) ?? []).length;
        expect(stores > 0)
          .withContext(`${what}: ${name}`)
          .toBe(writes.length > 0);
        expect(accesses > stores)
          .withContext(`${what}: ${name}`)
          .toBe(reads.length > 0);
      }
    }
  });
});
