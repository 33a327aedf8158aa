import {create} from 'webgpu';
import {slidingWindow} from '../../../src/pattern/index.js';
import {TILES} from '../../../src/plan/configurations.js';
import {
  CORE_DEVICE,
  REGULAR,
  type Device,
  type MatrixConfig,
  type Plan,
  type Problem,
  type TileShape,
  formatsOf,
  formatsText,
  type Precision,
} from '../../../src/plan/index.js';
import {makeProductPlan} from '../../../src/product/index.js';
import {
  generate,
  generateActivation,
  generateAppend,
  generateNorm,
  generateNormGradients,
  generateProduct,
  generateScoreTiles,
  generateStep,
  PLAIN,
  type OpLaunches,
  type Program,
} from '../../../src/wgsl/index.js';
import {everyProduct} from '../../support/every_product.js';
import {PACKED} from '../../support/goldens.js';
import {everyScoreTiles} from '../../support/score_tile_programs.js';
import {everyPacked} from '../../support/packed_programs.js';
import {
  EVERYTHING,
  MATRIX_16,
  MATRIX_8,
  featuredDevice,
  planFor,
  problemFor,
  retiled,
  SOFTWARE_DEVICE,
} from '../../support/plans.js';

// Dawn's compiler without a GPU: its `null` backend checks modules as every other one does, and runs nothing.
async function openCompiler(): Promise<GPUDevice> {
  const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis,expose_wgsl_experimental_features']);
  // A collected instance takes the process down.
  (globalThis as {nullInstance?: unknown}).nullInstance = gpu;
  const adapter = (await gpu.requestAdapter())!;
  return adapter.requestDevice({
    requiredFeatures: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[],
  });
}

/** [headDim, valueDim]: every way in which a kernel treats rows, values of other widths among them. */
const DIMS = [
  [1, 1],
  [5, 3],
  [16, 16],
  [32, 48],
  [48, 32],
  [64, 64],
  [80, 80],
  [96, 100],
  [128, 128],
  [256, 256],
] as const;
const SUBGROUPS: readonly Device['subgroups'][] = [null, {min: 4, max: 4}, {min: 8, max: 128}, {min: 32, max: 32}];
const PRECISIONS = ['float32', 'float16'] as const;
const MATRIX_TILES = ['matrix', 'matrixEager', 'matrixNarrow'] as const;

const long = problemFor({queryLength: 9000, keyLength: 9000, queryOffset: 0});
const withDims = ([headDim, valueDim]: readonly [number, number]): Problem => ({...long, headDim, valueDim});
// What a kernel depends on is put into a plan by hand: the planner would choose few of the combinations.
const base = planFor(slidingWindow({left: 3000}), long, CORE_DEVICE, 'fused');

/** Programs by their key, each with a word on where it came from. */
class Programs {
  readonly found = new Map<string, {readonly what: string; readonly program: Program}>();

  /** `more`: with all options that the kernel knows. */
  add(plan: Plan, more: boolean, maskShape?: readonly [number, number, number, number]): void {
    const {tile, formats, device, problem, implementation, matrix} = plan;
    const name = Object.keys(TILES).find((each) => TILES[each as keyof typeof TILES] === tile);
    const features = !more ? PLAIN : matrix === null ? EVERYTHING : {...PLAIN, bias: true, lengths: true};
    const mask = maskShape !== undefined ? 'tensor' : implementation === 'dense' ? 'bits' : 'interval';
    const passes = plan.passes.map((pass) => ({...pass, kinds: {...REGULAR, mask} as const}));
    for (const {program} of generate({...plan, passes}, {features, aux: 'logSumExp', ...(maskShape && {maskShape})})) {
      const what = [
        `${program.name}: tile ${name}, ${formatsText(formats)}, ${problem.headDim} → ${problem.valueDim} features, ${implementation}`,
        `options ${more}, subgroups ${JSON.stringify(device.subgroups)}, shader-f16 ${device.float16}, matrix ${JSON.stringify(matrix)}`,
      ].join(', ');
      if (!this.found.has(program.key)) this.found.set(program.key, {what, program});
    }
  }
}

const REGISTER_TILES = (Object.entries(TILES) as [string, TileShape][]).filter(([, {queries}]) => queries !== 'fragments');

/** A tile in all widths; precision, shuffles, mask and options take turns, so that over all tiles each meets every other. */
function allWidths(tile: TileShape, turn: number): Programs {
  const programs = new Programs();
  DIMS.forEach((dims, a) => {
    PRECISIONS.forEach((precision, b) => {
      const device = {...CORE_DEVICE, subgroups: SUBGROUPS[(turn + a + 2 * b) % 4]!, float16: ((turn + a) >> 1) % 2 === 0};
      const implementation = ((turn >> 1) + a + b) % 2 === 0 ? 'fused' : 'dense';
      programs.add(
        {...retiled(base, tile), formats: formatsOf(precision), device, implementation, problem: withDims(dims)},
        (turn + (a >> 1) + b) % 2 === 0,
      );
    });
  });
  return programs;
}

/** The shape that every software adapter takes, and the one of queries in workgroup memory, with all choices at once. */
function allChoices(tile: TileShape): Programs {
  const programs = new Programs();
  for (const dims of [DIMS[1], DIMS[2]]) {
    for (const subgroups of SUBGROUPS) {
      for (const precision of PRECISIONS) {
        for (const float16 of precision === 'float16' ? [false, true] : [false]) {
          for (const implementation of ['fused', 'dense'] as const) {
            const plan: Plan = {
              ...retiled(base, tile),
              formats: formatsOf(precision),
              device: {...CORE_DEVICE, subgroups, float16},
              implementation,
            };
            for (const more of [false, true]) programs.add({...plan, problem: withDims(dims)}, more);
          }
        }
      }
    }
  }
  return programs;
}

function matrixPrograms(
  matrix: MatrixConfig,
  precision: Precision,
  widths: readonly (readonly [number, number])[] = DIMS,
): Programs {
  const programs = new Programs();
  const fits = ([headDim, valueDim]: readonly [number, number]): boolean =>
    Math.max(headDim, valueDim) <= 128 && (matrix.componentType === 'f16' || (headDim % 16 === 0 && valueDim % 16 === 0));
  for (const dims of widths.filter(fits)) {
    for (const name of MATRIX_TILES) {
      for (const implementation of ['fused', 'dense'] as const) {
        for (const more of [false, true]) {
          const plan: Plan = {
            ...retiled(base, TILES[name]),
            formats: formatsOf(precision),
            matrix,
            device: featuredDevice(matrix),
            implementation,
          };
          programs.add({...plan, problem: withDims(dims)}, more);
        }
      }
    }
  }
  return programs;
}

describe('every program is WGSL that Dawn takes:', () => {
  let device: GPUDevice;
  const usual = jasmine.DEFAULT_TIMEOUT_INTERVAL;
  beforeAll(async () => {
    // A spec compiles for a second or two, on a busy machine for longer.
    jasmine.DEFAULT_TIMEOUT_INTERVAL = 60_000;
    device = await openCompiler();
  });
  afterAll(() => {
    jasmine.DEFAULT_TIMEOUT_INTERVAL = usual;
    device.destroy();
  });

  /** What the compiler says against a text, with the line. */
  async function faults(code: string): Promise<string[]> {
    device.pushErrorScope('validation');
    const {messages} = await device.createShaderModule({code}).getCompilationInfo();
    const error = await device.popErrorScope();
    const lines = code.split('\n');
    const said = messages
      .filter(({type}) => type !== 'info')
      .map(({type, lineNum, message}) => `${type} in line ${lineNum}, ${lines[lineNum - 1]?.trim()}: ${message}`);
    return said.length === 0 && error !== null ? [error.message] : said;
  }

  async function expectValid({found}: Programs, atLeast: number): Promise<void> {
    expect(found.size).toBeGreaterThanOrEqual(atLeast);
    for (const {what, program} of found.values())
      expect(await faults(program.code))
        .withContext(what)
        .toEqual([]);
  }

  REGISTER_TILES.forEach(([name, tile], turn) => {
    it(`the tile '${name}' in every width`, async () => {
      await expectValid(allWidths(tile, turn), 2 * DIMS.length);
    });
  });

  for (const name of ['software', 'staged'] as const) {
    it(`the tile '${name}' with every choice of precision, shuffles, mask and options`, async () => {
      await expectValid(allChoices(TILES[name]), 40);
    });
  }

  it('tensor cores of 16 × 16 halves', async () => {
    await expectValid(matrixPrograms(MATRIX_16, 'float16'), 100);
  });

  it('tensor cores of 8 × 8 floats', async () => {
    await expectValid(matrixPrograms(MATRIX_8, 'float32'), 60);
  });

  it('tensor cores of 8 × 8 halves', async () => {
    await expectValid(matrixPrograms({...MATRIX_16, M: 8, N: 8, K: 8}, 'float16', [DIMS[1], DIMS[6]]), 40);
  });

  it('a mask tensor beside each precision', async () => {
    const programs = new Programs();
    for (const precision of PRECISIONS) {
      for (const keys of [9000, 1])
        programs.add({...base, formats: formatsOf(precision), implementation: 'dense'}, false, [1, 1, 9000, keys]);
    }
    for (const [matrix, precision] of [
      [MATRIX_16, 'float16'],
      [MATRIX_8, 'float32'],
    ] as const)
      for (const name of MATRIX_TILES)
        for (const more of [false, true]) {
          const on = {formats: formatsOf(precision), matrix, device: featuredDevice(matrix), problem: withDims(DIMS[5])};
          programs.add({...retiled(base, TILES[name]), ...on, implementation: 'dense'}, more, [1, 1, 9000, 9000]);
        }
    await expectValid(programs, 30);
  });

  it('merges of parts', async () => {
    expect(base.slots).toBeGreaterThan(0);
    const programs = new Programs();
    for (const dims of DIMS) programs.add({...base, problem: withDims(dims)}, false);
    await expectValid(programs, 2 * DIMS.length);
    const names = [...programs.found.values()].map(({program}) => program.name);
    expect(names.filter((name) => name === 'SparseAttention.merge').length).toBe(DIMS.length);
  });

  it('what appends to a cache in every width, and attends over its slots', async () => {
    const programs = new Programs();
    const held = {sinks: 2, ring: 62, sequences: [{tokens: 5, first: 4, row: 0, source: 1, deadEnd: 9, biasBase: 0}]};
    DIMS.forEach((dims, i) => {
      for (const precision of PRECISIONS) {
        const device = {...CORE_DEVICE, float16: i % 2 === 0};
        const problem = {...withDims(dims), queryLength: 4, keyLength: 64, packedHeads: 4};
        const plan = {...retiled(base, TILES.decode4), problem, formats: formatsOf(precision), device};
        const step = generateStep(plan, {features: {...PLAIN, alibi: true, bias: true, sinks: true}, held});
        const shape = {headDim: dims[0], valueDim: dims[1], formats: formatsOf(precision), nativeHalves: device.float16};
        const prompt = generateAppend(shape, {batch: 1, keyHeads: 1, capacity: 64, tokens: 9}, held);
        for (const {program} of [...step.launches, ...prompt.launches]) {
          programs.found.set(program.key, {what: `${program.name} of ${dims.join()}, ${precision}`, program});
        }
      }
    });
    await expectValid(programs, 7 * DIMS.length);
    const texts = [...programs.found.values()].map(({program}) => program.code);
    expect(texts.some((text) => text.includes('fn heldAt'))).toBeTrue();
  });

  it('norms and activations, of rows of every kind', async () => {
    const programs = new Programs();
    const add = ({launches}: OpLaunches): void => {
      for (const {program} of launches) programs.found.set(program.key, {what: program.name, program});
    };
    const turns = [true, false] as const;
    for (const width of [1, 2, 3, 4, 8, 33, 64, 768, 1001, 1028, 8191, 16384])
      for (const centred of turns)
        for (const gamma of turns)
          for (const beta of turns)
            for (const residual of turns) {
              const sizes = {rows: 9, width, epsilon: 1e-5, centred, gamma, beta, residual, sum: residual !== beta};
              add(generateNorm(sizes));
              add(generateNormGradients(sizes));
            }
    for (const activation of ['silu', 'erf', 'tanh', 'sigmoid'] as const)
      for (const gradient of turns) for (const size of [7, 8]) add(generateActivation(activation, size, gradient));
    await expectValid(programs, 300);
    for (const {program} of programs.found.values()) {
      const bytes = [...program.code.matchAll(/var<workgroup> \w+: array<(vec2f|vec4f|f32), (\d+)>/g)].map(
        ([, type, count]) => ({vec2f: 8, vec4f: 16, f32: 4})[type!]! * Number(count),
      );
      expect(program.workgroupBytes).toBe(bytes.reduce((a, b) => a + b, 0));
      expect(program.workgroupBytes).toBeLessThanOrEqual(16384);
      expect(program.bindings.length - 1).toBeLessThanOrEqual(8);
    }
  });

  it('products of blocks, of every tile', async () => {
    const programs = new Programs();
    for (const given of everyProduct())
      for (const [precision, device] of [
        ['float32', CORE_DEVICE],
        ['float16', {...featuredDevice(MATRIX_16), maxWorkgroupBytes: CORE_DEVICE.maxWorkgroupBytes}],
      ] as const)
        for (const wishes of [{}, {listWords: 0}])
          for (const {program} of generateProduct(makeProductPlan({...given, precision}, device, wishes)).launches)
            programs.found.set(program.key, {what: JSON.stringify(given.block), program});
    await expectValid(programs, 60);
    expect([...programs.found.values()].filter(({program}) => program.name.endsWith('.matrix')).length).toBeGreaterThan(20);
    for (const {program} of programs.found.values()) {
      const bytes = [...program.code.matchAll(/var<workgroup> \w+: array<(?:array<)?vec4[fu], (\d+)>(?:, (\d+)>)?/g)].map(
        ([, count, times = '1']) => 16 * Number(count) * Number(times),
      );
      expect(program.workgroupBytes).toBe(bytes.reduce((a, b) => a + b, 0));
      expect(program.workgroupBytes).toBeLessThanOrEqual(CORE_DEVICE.maxWorkgroupBytes);
      expect(program.invocations).toBeLessThanOrEqual(CORE_DEVICE.maxInvocations);
    }
  });

  it('packed scores, their softmax and products', async () => {
    const programs = new Programs();
    for (const {launches} of everyPacked(PACKED))
      for (const {program} of launches) programs.found.set(program.key, {what: program.name, program});
    await expectValid(programs, 150);
    for (const {program} of programs.found.values()) {
      const bytes = [...program.code.matchAll(/var<workgroup> \w+: array<(vec2f|vec4f|f32), (\d+)>/g)].map(
        ([, type, count]) => ({vec2f: 8, vec4f: 16, f32: 4})[type!]! * Number(count),
      );
      expect(program.workgroupBytes).toBe(bytes.reduce((a, b) => a + b, 0));
      expect(program.workgroupBytes).toBeLessThanOrEqual(CORE_DEVICE.maxWorkgroupBytes);
      expect(program.bindings.length - 1).toBeLessThanOrEqual(8);
    }
  });

  it('products of packed numbers over tiles', async () => {
    const programs = new Programs();
    for (const plan of everyScoreTiles([CORE_DEVICE, SOFTWARE_DEVICE]))
      for (const options of plan.product === 'sddmm' ? [{}, {features: PACKED}] : [{}, {finite: true}])
        for (const {program} of generateScoreTiles(plan, options).launches)
          programs.found.set(program.key, {what: program.name, program});
    await expectValid(programs, 100);
    for (const {program} of programs.found.values()) {
      expect(program.workgroupBytes).toBeLessThanOrEqual(CORE_DEVICE.maxWorkgroupBytes);
      expect(program.bindings.length - 1).toBeLessThanOrEqual(8);
    }
  });

  it('and broken ones are told apart, with their line', async () => {
    const texts = [...matrixPrograms(MATRIX_16, 'float16').found.values(), ...allChoices(TILES.software).found.values()];
    const find = (name: string, text: string): string =>
      texts.find(({program}) => program.name === name && program.code.includes(text))?.program.code ?? '';
    const breaks: readonly (readonly [string, string, string, RegExp])[] = [
      ['SparseAttention.attendMatrix', 'enable chromium_experimental_subgroup_matrix;', '', /error in line \d+, .*subgroup_matrix/],
      [
        'SparseAttention.attendMatrix',
        'alias Left = subgroup_matrix_left<f16',
        'alias Left = subgroup_matrix_left<f32',
        /error in line/,
      ],
      ['SparseAttention.repair', 'workgroupUniformLoad(&again)', 'again', /uniform/],
      ['SparseAttention.attend', 'let tx = lane % TX;', 'let tx = lane % TX', /error in line \d+, .*expected ';'/],
      ['SparseAttention.convert', 'vec2u(pack2x16float', 'vec3u(pack2x16float', /error in line/],
    ];
    for (const [name, text, broken, message] of breaks) {
      const code = find(name, text);
      expect(code).withContext(name).toContain(text);
      expect((await faults(code.replace(text, broken))).join('\n'))
        .withContext(`${name} with ${broken}`)
        .toMatch(message);
    }
  });
});
