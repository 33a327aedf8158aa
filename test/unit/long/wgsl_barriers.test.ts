import {readdir, readFile} from 'node:fs/promises';
import {compress} from '../../../src/acsr/index.js';
import {CORE_DEVICE, formatsOf, formatsText, type Formats} from '../../../src/pure.js';
import {globalTokens, slidingWindow} from '../../../src/pattern/index.js';
import {TILES} from '../../../src/plan/configurations.js';
import {makeGradientPlan, REGULAR, type Plan, type TileShape} from '../../../src/plan/index.js';
import {makeProductPlan, tileBytes} from '../../../src/product/index.js';
import {attendKernel} from '../../../src/wgsl/attend/attend.js';
import {productShape} from '../../../src/wgsl/generate_product.js';
import {gradientKernel} from '../../../src/wgsl/gradient/gradient.js';
import {gradientShape} from '../../../src/wgsl/gradient/gradient_shape.js';
import {rowStatsFlow} from '../../../src/wgsl/gradient/row_stats.js';
import {PLAIN, type Features} from '../../../src/wgsl/index.js';
import {matrixFlow} from '../../../src/wgsl/matrix/matrix.js';
import {matrixShape} from '../../../src/wgsl/matrix/matrix_shape.js';
import {normSteps, registersOf} from '../../../src/wgsl/ops/norm.js';
import {rowGroupBytes} from '../../../src/wgsl/ops/row_group.js';
import {matrixProductFlow} from '../../../src/wgsl/product/matrix_product.js';
import {productFlow} from '../../../src/wgsl/product/product.js';
import {sddmmTilesKernel, sddmmTilesShape} from '../../../src/wgsl/packed/sddmm_tiles.js';
import {spmmKeyTilesKernel} from '../../../src/wgsl/packed/spmm_key_tiles.js';
import {spmmTilesKernel, spmmTilesShape} from '../../../src/wgsl/packed/spmm_tiles.js';
import {placeBarriers, textOf, type Flow, type Region, type Step} from '../../../src/wgsl/tile/flow.js';
import {kernelShape} from '../../../src/wgsl/tile/kernel_shape.js';
import {flowOf, type TileKernel} from '../../../src/wgsl/tile/shell.js';
import {everyProduct} from '../../support/every_product.js';
import {pathsOf, stepsOf} from '../../support/flow_paths.js';
import {EVERYTHING, featuredDevice, MATRIX_16, MATRIX_8, planFor, problemFor, SOFTWARE_DEVICE} from '../../support/plans.js';
import {everyScoreTiles} from '../../support/score_tile_programs.js';
import {columnSums, pairProducts} from '../../support/tile_bodies.js';

interface Kernel {
  readonly what: string;
  readonly flow: readonly Flow[];
  readonly memory: number;
}

const FORMATS: readonly Formats[] = [
  formatsOf('float32'),
  formatsOf('float16'),
  {query: 'float32', key: 'float16', value: 'float32'},
  {query: 'float16', key: 'float32', value: 'float16'},
];

/** Kernels whose steps differ: every tile shape, formats and way to reduce, with one and with several chunks of keys and values. */
const kernels: Kernel[] = [];
const add = (what: string, kernel: TileKernel): number => kernels.push({what, flow: flowOf(kernel), memory: kernel.memory.units});

const base = planFor(
  slidingWindow({left: 200}),
  problemFor({queryLength: 900, keyLength: 900, queryOffset: 0}),
  CORE_DEVICE,
  'fused',
);
for (const [name, tile] of Object.entries(TILES) as [string, TileShape][]) {
  if (tile.queries === 'fragments') continue;
  for (const headDim of [8, 64, 80, 128, 256]) {
    for (const formats of FORMATS) {
      for (const min of [1, 4, 8]) {
        const device = {...CORE_DEVICE, subgroups: min === 1 ? null : {min, max: 32}};
        const plan: Plan = {
          ...base,
          tile,
          formats,
          device,
          problem: {...base.problem, headDim, valueDim: headDim},
        };
        add(
          `${name}, ${formatsText(formats)}, ${headDim} features, subgroups of ${min} and more`,
          attendKernel(kernelShape(plan, PLAIN)),
        );
      }
    }
  }
}

for (const tile of [TILES.matrix, TILES.matrixEager, TILES.matrixNarrow]) {
  for (const matrix of [MATRIX_16, MATRIX_8]) {
    for (const exact of [false, true]) {
      for (const headDim of [16, 64, 128]) {
        for (const mask of ['interval', 'tensor'] as const) {
          const precision = matrix === MATRIX_16 ? 'float16' : 'float32';
          const problem = {...base.problem, headDim, valueDim: headDim};
          const work = {...base, tile, formats: formatsOf(precision), matrix, problem};
          const shape = matrixShape(work, matrix, PLAIN, exact, {...REGULAR, mask});
          const what = `matrices of ${matrix.M}, ${tile.rows} rows, ${headDim} features, exact ${exact}, mask ${mask}`;
          kernels.push({what, flow: matrixFlow(shape), memory: shape.memory});
        }
      }
    }
  }
}

/** A backward pass knows no slots of a cache. */
const MORE: Features = {...EVERYTHING, ring: false};
for (const [device, name] of [
  [CORE_DEVICE, 'core WebGPU'],
  [featuredDevice(), 'more memory'],
  [SOFTWARE_DEVICE, 'a software adapter'],
] as const) {
  // Short rows and long ones take other tiles.
  for (const pattern of [globalTokens(3), slidingWindow({left: 700})]) {
    for (const dims of ['1 1', '3 5', '64 64', '16 80', '80 80', '128 128', '128 3', '256 256']) {
      const [headDim, valueDim] = dims.split(' ').map(Number) as [number, number];
      const problem = problemFor({queryLength: 1000, keyLength: 1000, queryOffset: 0}, {headDim, valueDim});
      const plan = makeGradientPlan(planFor(pattern, problem, device, 'fused'), compress(pattern, problem), 'gradients');
      for (const owns of ['rows', 'keys'] as const)
        for (const wants of ['features', 'scores'] as const)
          add(`${owns}, ${wants}, ${name}, ${pattern}, ${dims}`, gradientKernel(gradientShape(plan, owns, MORE, wants)));
    }
  }
}
for (const given of everyProduct()) {
  const shape = productShape(makeProductPlan(given, CORE_DEVICE));
  const {rows, columns, step} = shape.tile;
  kernels.push({what: `product ${JSON.stringify(shape)}`, flow: productFlow(shape), memory: (step * (rows + columns)) / 4});
  const onMatrices = productShape(makeProductPlan({...given, precision: 'float16'}, featuredDevice(MATRIX_16)));
  const {tile} = onMatrices;
  if (tile.matrix === null) continue;
  const flow = matrixProductFlow({...onMatrices, matrix: tile.matrix});
  kernels.push({what: `product on tensor cores ${JSON.stringify(onMatrices)}`, flow, memory: tileBytes(tile) / 16});
}

for (const {product, rows} of everyScoreTiles([CORE_DEVICE, SOFTWARE_DEVICE])) {
  const {tile, problem} = rows;
  const what = `${product} over tiles, ${JSON.stringify(tile)}, ${problem.headDim}`;
  if (product === 'sddmm') add(what, sddmmTilesKernel(sddmmTilesShape(tile, problem.headDim, REGULAR, PLAIN)));
  else
    add(what, (product === 'spmm' ? spmmTilesKernel : spmmKeyTilesKernel)(spmmTilesShape(tile, problem.headDim, REGULAR, false)));
}

kernels.push({what: 'row statistics', flow: rowStatsFlow(64, false), memory: 64});
add('pair products', pairProducts(64));
add('column sums', columnSums());
// Rows of 1, 2, 8, 16, 64 and 256 lanes.
for (const width of [4, 8, 7, 33, 768, 16384]) {
  const registers = registersOf(width);
  const memory = rowGroupBytes(registers.group) / 16;
  for (const centred of [true, false]) {
    const flow = [...normSteps(registers, centred), ...registers.reduce('products', 'vec2f()')];
    kernels.push({what: `norm of rows of ${width}, centred ${centred}`, flow, memory});
  }
}

/** Pairs of steps of which one may overtake the other, with up to three trips of each loop. An invocation is only stopped by a barrier. */
function races(paths: readonly (readonly Step[])[], barriers: ReadonlySet<Step>): string[] {
  const found = new Set<string>();
  for (const path of paths) {
    for (let late = 0; late < path.length; late++) {
      for (let early = late - 1; early >= 0 && !barriers.has(path[early + 1]!); early--) {
        const [a, b] = [path[early]!, path[late]!];
        if (meets(a.writes, b.reads) || meets(a.writes, b.writes) || meets(a.reads, b.writes)) found.add(`${a.name} | ${b.name}`);
      }
    }
  }
  return [...found];
}

const touches = ({reads, writes}: Step): boolean => reads.length + writes.length > 0;
const pathsThrough = (flow: readonly Flow[], trips: number): Step[][] => pathsOf(flow, trips).map((path) => path.filter(touches));

const meets = (left: readonly Region[], right: readonly Region[]): boolean =>
  left.some((a) =>
    right.some((b) => Math.max(a.begin, b.begin) < Math.min(a.end, b.end) && !(a.collective === true && b.collective === true)),
  );

describe('barriers', () => {
  it('leave no two steps that race', () => {
    for (const {what, flow} of kernels)
      expect(races(pathsThrough(flow, 3), placeBarriers(flow)))
        .withContext(what)
        .toEqual([]);
  });

  it('are all needed: without any one of them two steps race', () => {
    for (const {what, flow} of kernels) {
      const placed = placeBarriers(flow);
      const paths = pathsThrough(flow, 2);
      for (const barrier of placed) {
        const others = new Set([...placed].filter((step) => step !== barrier));
        expect(races(paths, others).length).withContext(`${what}: in front of ${barrier.name}`).toBeGreaterThan(0);
      }
    }
  });

  it('stand in the text where they were placed, and nowhere else', () => {
    for (const {what, flow} of kernels) {
      const placed = placeBarriers(flow);
      const named = [...textOf(flow).matchAll(/\/\/ (.*)\nworkgroupBarrier\(\);/g)].map(([, name]) => name!);
      expect(named)
        .withContext(what)
        .toEqual(
          stepsOf(flow)
            .filter((step) => placed.has(step))
            .map(({name}) => name),
        );
    }
  });

  it('are written in one file', async () => {
    const files = (await readdir('src', {recursive: true})).filter((name) => name.endsWith('.ts'));
    const texts = await Promise.all(files.map((name) => readFile(`src/${name}`, 'utf8')));
    expect(files.filter((_, index) => texts[index]!.includes('workgroupBarrier'))).toEqual(['wgsl/tile/flow.ts']);
  });

  it('guard regions that lie inside the memory, and steps that touch memory name a region', () => {
    for (const {what, flow, memory} of kernels) {
      for (const {name, reads, writes, code} of stepsOf(flow)) {
        for (const {begin, end} of [...reads, ...writes]) {
          expect(begin).toBeLessThan(end);
          expect(end).toBeLessThanOrEqual(memory);
        }
        const stores = (
          code.match(/(memory|slices|keys|values|parts|partials|totals|left|right)\[[^;]*\] = |MatrixStore<.*&(slices|left)/g) ?? []
        ).length;
        const accesses = (
          code.match(
            /(memory|slices\[subgroup\]|keys|values|parts|partials|totals|(?<!&)left|right)\[|MatrixLoad<|MatrixStore<.*&(slices|left)/g,
          ) ?? []
        ).length;
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

describe('loops', () => {
  const memory = {begin: 0, end: 1};
  const write: Step = {name: 'write', reads: [], writes: [memory], code: 'write();'};
  const read: Step = {name: 'read', reads: [memory], writes: [], code: 'read();'};
  const placed = (...flow: Flow[]): string[] => [...placeBarriers(flow)].map(({name}) => name);

  it('meet themselves from one trip to the next', () => {
    expect(placed({open: 'loop {', body: [write, read], runs: 'any'})).toEqual(['read', 'write']);
    expect(placed({open: '{', body: [write, read], runs: 'once'})).toEqual(['read']);
  });

  it('may not run, and leave what was before them', () => {
    const other: Step = {...read, name: 'other'};
    const barrier: Step = {name: 'barrier', reads: [memory], writes: [], code: 'barrier();'};
    expect(placed(write, {open: 'loop {', body: [barrier], runs: 'any'}, other)).toEqual(['barrier', 'other']);
    expect(placed(write, {open: 'loop {', body: [barrier], runs: 'some'}, other)).toEqual(['barrier']);
  });

  it('leave out in the last trip what stands between trips', () => {
    const between: Flow = {open: 'if (more) {', body: [read], runs: 'between'};
    const far: Step = {name: 'far', reads: [], writes: [{begin: 2, end: 3}], code: 'far();'};
    expect(placed({open: 'loop {', body: [far, between], runs: 'any'}, write)).toEqual(['far']);
  });
});
