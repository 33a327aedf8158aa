import {compress} from '../../../src/acsr/index.js';
import {slidingWindow} from '../../../src/pattern/index.js';
import {TILES} from '../../../src/plan/configurations.js';
import {CORE_DEVICE, makeGradientPlan, REGULAR, type Kinds, type Plan, formatsOf} from '../../../src/plan/index.js';
import {attendProgram, rowProgram} from '../../../src/wgsl/attend/attend.js';
import {rowShape} from '../../../src/wgsl/attend/row_shape.js';
import {mergeProgram} from '../../../src/wgsl/around/merge.js';
import {gradientProgram, ownGradientProgram} from '../../../src/wgsl/gradient/gradient.js';
import {gradientShape, ownGradientShape} from '../../../src/wgsl/gradient/gradient_shape.js';
import {sumProgram} from '../../../src/wgsl/gradient/sum_records.js';
import {PLAIN, type Features, type Program} from '../../../src/wgsl/index.js';
import {matrixProgram} from '../../../src/wgsl/matrix/matrix.js';
import {matrixShape} from '../../../src/wgsl/matrix/matrix_shape.js';
import {kernelShape} from '../../../src/wgsl/tile/kernel_shape.js';
import {openCompiler, type Compiler} from '../../support/compiler.js';
import {EVERYTHING, featuredDevice, MATRIX_16, MATRIX_8, planFor, problemFor} from '../../support/plans.js';

/** Every way in which a schedule names rows, keys, pairs and lines; a mask tensor has bits of all keys in order, so it goes with no list. */
const KINDS: readonly Kinds[] = (['affine', 'list'] as const).flatMap((rows) =>
  (['affine', 'list'] as const).flatMap((keys) =>
    (['interval', 'bits', 'tensor'] as const).flatMap((mask) =>
      (['grid', 'item'] as const).flatMap((heads) =>
        (['grid', 'item'] as const).map((batch): Kinds => ({rows, keys, mask, heads, batch})),
      ),
    ),
  ),
);
/** Row by row: rows (and keys, of gradients) any way, and what they meet in lists. */
const ROW_BY_ROW: readonly Kinds[] = (['affine', 'list'] as const).flatMap((rows) =>
  (['own', 'fours'] as const).flatMap((mask) =>
    (['grid', 'item'] as const).flatMap((heads) =>
      (['grid', 'item'] as const).map((batch): Kinds => ({rows, keys: 'list', mask, heads, batch})),
    ),
  ),
);
const ALL = KINDS.filter(({keys, mask}) => keys === 'affine' || mask !== 'tensor');

const problem = problemFor({queryLength: 900, keyLength: 900, queryOffset: 0}, {heads: 4, keyHeads: 2, headDim: 20});
const pattern = slidingWindow({left: 100});
const base = planFor(pattern, problem, CORE_DEVICE, 'fused');
const gradients = makeGradientPlan(base, compress(pattern, problem), 'records');
const MORE: Features = {...EVERYTHING, ring: false};

/** By engine, every program of a kind. */
const ENGINES: Readonly<Record<string, (kinds: Kinds, features: Features) => Program[]>> = {
  scalars: (kinds, features) =>
    [TILES.wide, TILES.narrow].map((tile) => attendProgram(kernelShape({...base, tile}, features, kinds))),
  'slots of a cache': (kinds) => [attendProgram(kernelShape(base, EVERYTHING, kinds))],
  'halves and subgroups': (kinds, features) => {
    const plan: Plan = {
      ...base,
      tile: TILES.wide,
      formats: formatsOf('float16'),
      device: {...CORE_DEVICE, subgroups: {min: 4, max: 4}},
    };
    return [attendProgram(kernelShape(plan, features, kinds))];
  },
  'tensor cores': (kinds, {bias, lengths}) =>
    ([MATRIX_16, MATRIX_8] as const).flatMap((matrix) =>
      [false, true].map((exact) => {
        const precision = matrix === MATRIX_16 ? 'float16' : 'float32';
        const plan: Plan = {...base, tile: TILES.matrix, formats: formatsOf(precision), matrix, device: featuredDevice(matrix)};
        return matrixProgram(
          matrixShape({...plan, problem: {...problem, headDim: 32, valueDim: 32}}, matrix, {bias, lengths}, exact, kinds),
        );
      }),
    ),
  'merges and sums': (kinds, features) => [
    mergeProgram(base, features, kinds),
    sumProgram({owns: 'rows', kinds, size: 32, outputs: [{role: 'dQuery', features: 20}]}),
    sumProgram({owns: 'keys', kinds, size: 32, outputs: [{role: 'dKey', features: 20}]}),
  ],
  gradients: (kinds, features) =>
    (['rows', 'keys'] as const).flatMap((owns) =>
      (['features', 'scores'] as const).map((wants) => gradientProgram(gradientShape(gradients, owns, features, wants, kinds))),
    ),
};

describe('kernels of every kind of schedule', () => {
  let compiler: Compiler;
  beforeAll(async () => (compiler = await openCompiler({extensions: true})), 60_000);
  afterAll(() => compiler.close());

  it('number as many as there are kinds', () => expect(ALL).toHaveSize(40));

  for (const [engine, write] of Object.entries(ENGINES)) {
    it(`are WGSL that Dawn takes: ${engine}`, async () => {
      const texts = new Map<string, string>();
      for (const kinds of ALL)
        for (const features of [PLAIN, MORE])
          for (const {code} of write(kinds, features)) texts.set(code, `${Object.values(kinds).join()}, bias ${features.bias}`);
      expect(texts.size).toBeGreaterThan(engine === 'merges and sums' ? 20 : 39);
      for (const [code, what] of texts)
        expect(await compiler.faults(code))
          .withContext(what)
          .toEqual([]);
    }, 300_000);
  }

  it('are WGSL that Dawn takes: row by row', async () => {
    const texts = new Set<string>();
    const devices = [CORE_DEVICE, {...CORE_DEVICE, subgroups: {min: 8, max: 32}}, {...CORE_DEVICE, float16: true}];
    for (const device of devices)
      for (const kinds of ROW_BY_ROW)
        for (const features of [PLAIN, MORE])
          for (const [headDim, valueDim] of [
            [20, 20],
            [64, 64],
            [5, 131],
          ] as const) {
            const own = {
              ...base,
              device,
              problem: {...problem, headDim, valueDim},
              formats: formatsOf(device.float16 ? 'float16' : 'float32'),
            };
            texts.add(rowProgram(rowShape(own, features, kinds)).code);
            if (device.float16) continue;
            const backward = {...gradients, rows: {...gradients.rows, device, problem: own.problem}};
            texts.add(ownGradientProgram(ownGradientShape(backward, 'rows', features, kinds)).code);
            const seen = {...kinds, rows: 'list', keys: kinds.rows} as const;
            texts.add(ownGradientProgram(ownGradientShape(backward, 'keys', features, seen)).code);
          }
    expect(texts.size).toBeGreaterThan(300);
    for (const code of texts) expect(await compiler.faults(code)).toEqual([]);
  }, 300_000);

  it('branch between no kinds: each names what its own has', () => {
    const codeOf = (kinds: Partial<Kinds>): string => attendProgram(kernelShape(base, PLAIN, {...REGULAR, ...kinds})).code;
    const plain = codeOf({});
    for (const word of ['numberAt', 'params.bits', 'params.maskBits', 'named', 'bitStride']) expect(plain).not.toContain(word);
    expect(codeOf({mask: 'bits'})).not.toContain('params.intervals');
    expect(codeOf({rows: 'list'})).not.toContain('rowsOf.y');
    expect(codeOf({keys: 'list'})).not.toContain('keysOf.y');
    expect(codeOf({heads: 'item'})).not.toContain('group.x');
    expect(codeOf({batch: 'item', heads: 'item'})).not.toContain('group.z');
  });
});
