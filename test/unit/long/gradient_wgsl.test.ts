import {compress} from '../../../src/acsr/index.js';
import {globalTokens, slidingWindow, type Pattern} from '../../../src/pattern/index.js';
import {
  CORE_DEVICE,
  makeGradientPlan,
  planMaskTensor,
  type Device,
  type GradientPlan,
  type TileShape,
  formatsOf,
} from '../../../src/plan/index.js';
import {generateGradients, generateScoreGradients, PLAIN, type Features, type Program} from '../../../src/wgsl/index.js';
import {openCompiler, type Compiler} from '../../support/compiler.js';
import {EVERYTHING, featuredDevice, planFor, problemFor, SOFTWARE_DEVICE} from '../../support/plans.js';

/** [headDim, valueDim] */
const DIMS = [
  [1, 1],
  [3, 5],
  [16, 16],
  [64, 64],
  [16, 80],
  [80, 80],
  [128, 128],
  [128, 3],
  [256, 256],
] as const;
const DEVICES: readonly (readonly [string, Device])[] = [
  ['core WebGPU', CORE_DEVICE],
  ['more memory', featuredDevice()],
  ['a software adapter', SOFTWARE_DEVICE],
];
/** Short rows and long ones, which take other tiles. */
const PATTERNS: readonly Pattern[] = [globalTokens(3), slidingWindow({left: 700})];
/** A backward pass knows no slots of a cache. */
const MORE: Features = {...EVERYTHING, ring: false};

interface Case {
  readonly what: string;
  readonly device: Device;
  readonly plan: GradientPlan;
  /** Gradients of scores have a plan of their own. */
  readonly scores: GradientPlan;
}

const cases: Case[] = [];
for (const [name, device] of DEVICES) {
  for (const pattern of PATTERNS) {
    for (const mask of ['fused', 'dense', 'tensor'] as const) {
      for (const [headDim, valueDim] of DIMS) {
        const sizes = {queryLength: 1000, keyLength: 1000, queryOffset: 0};
        const problem = problemFor(sizes, {headDim, valueDim, heads: 4, keyHeads: 2});
        const [forward, rows] =
          mask === 'tensor'
            ? [planMaskTensor(problem, device), null]
            : [planFor(pattern, problem, device, mask), compress(pattern, problem)];
        const scores = makeGradientPlan(forward, rows, 'scores');
        for (const results of ['gradients', 'records'] as const) {
          const plan = makeGradientPlan(forward, rows, results);
          cases.push({what: `${name}, ${pattern}, ${mask}, ${headDim} → ${valueDim} features, ${results}`, device, plan, scores});
        }
      }
    }
  }
}

const tileName = ({rows, threadsX, threadsY, unroll, workgroupBytes}: TileShape): string =>
  [rows, threadsX, threadsY, unroll.scores, unroll.values, workgroupBytes].join();

/** Every program of a backward pass. */
function programsOf({plan, scores}: Case, features: Features, dLogSumExp: boolean): Program[] {
  const dense = plan.rows.passes.some(({kinds}) => kinds.mask === 'tensor');
  const options = {features, dLogSumExp, ...(dense && {maskShape: [1, 4, 1000, 1000] as const})};
  const launches = [
    ...generateGradients(plan, options),
    ...generateGradients({...plan, formats: formatsOf('float16')}, options),
    ...generateScoreGradients(scores, {kind: 'diagonals', shape: [1, 4, 1000, 1000]}, options),
    ...generateScoreGradients(scores, {kind: 'keys'}, options),
  ];
  return launches.map(({program}) => program);
}

/** By key: with all options and without, a gradient of the log-sum-exp or none. */
const programs = new Map<string, {readonly what: string; readonly device: Device; readonly program: Program}>();
for (const each of cases) {
  const {what, device, plan} = each;
  for (const [features, dLogSumExp] of [
    [PLAIN, true],
    [plan.results === 'gradients' ? {...MORE, bias: false} : MORE, false],
  ] as const)
    for (const program of programsOf(each, features, dLogSumExp))
      if (!programs.has(program.key)) programs.set(program.key, {what: `${program.name}: ${what}`, device, program});
}

describe('every program of a backward pass', () => {
  let compiler: Compiler;
  beforeAll(async () => (compiler = await openCompiler({extensions: true})), 60_000);
  afterAll(() => compiler.close());

  it('is there in all its kinds', () => {
    const names = new Set([...programs.values()].map(({program}) => program.name.split('.')[1]!));
    expect([...names].sort()).toEqual([
      ...['clear', 'diagonals', 'gather', 'keyGradients', 'keyGradientsRows', 'keyScoreGradients', 'maskStates', 'packMask'],
      ...['queryGradients', 'queryGradientsRows', 'round', 'rowStats', 'scoreGradients', 'sumKeyGradients', 'sumQueryGradients'],
    ]);
    expect(new Set(cases.map(({plan}) => tileName(plan.rows.tile))).size).toBe(6);
  });

  for (const name of new Set([...programs.values()].map(({program}) => program.name)))
    it(`is WGSL that Dawn takes: ${name}`, async () => {
      for (const {what, program} of programs.values())
        if (program.name === name)
          expect(await compiler.faults(program.code))
            .withContext(what)
            .toEqual([]);
    }, 120_000);

  it('binds what a stock device has', () => {
    for (const {what, device, program} of programs.values()) {
      const storage = program.bindings.filter((role) => role !== 'params');
      expect(storage.length).withContext(what).toBeLessThanOrEqual(8);
      expect(new Set(storage).size).withContext(what).toBe(storage.length);
      expect(program.writes.every((role) => (storage as readonly string[]).includes(role)))
        .withContext(what)
        .toBeTrue();
      expect(program.invocations).withContext(what).toBeLessThanOrEqual(256);
      expect(program.workgroupBytes).withContext(what).toBeLessThanOrEqual(device.maxWorkgroupBytes);
      const declared = /var<workgroup> \w+: array<(\w+), (\d+)>/.exec(program.code);
      const bytes = declared === null ? 0 : Number(declared[2]) * (declared[1] === 'vec4f' ? 16 : 4);
      expect(bytes).withContext(what).toBe(program.workgroupBytes);
    }
    expect(CORE_DEVICE.maxWorkgroupBytes).toBe(16384);
  });
});
