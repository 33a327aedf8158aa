import fc from 'fast-check';
import {compress, type Acsr} from '../../../src/acsr/index.js';
import {causal, full, slidingWindow, strided, type Pattern} from '../../../src/pattern/index.js';
import {candidates, chooseMatrix, chooseTile, settle, situationOf, TILES, type TileName} from '../../../src/plan/configurations.js';
import {
  CORE_DEVICE,
  makePlan,
  planMaskTensor,
  REFERENCE,
  type Device,
  type MatrixConfig,
  type Problem,
  formatsOf,
} from '../../../src/plan/index.js';
import {partsOf} from '../../../src/plan/parts.js';
import {generate, PLAIN} from '../../../src/wgsl/index.js';
import {featuredDevice, MATRIX_16, MATRIX_8, problemFor, SOFTWARE_DEVICE} from '../../support/plans.js';

const square = (length: number, sizes: Partial<Problem> = {}): Problem =>
  problemFor({queryLength: length, keyLength: length, queryOffset: 0}, {headDim: 64, heads: 8, ...sizes});
const rowsOf = (pattern: Pattern, problem: Problem): Acsr => compress(pattern, problem);
const PRECISIONS = ['float32', 'float16'] as const;
const NVIDIA: Device = {...CORE_DEVICE, vendor: 'nvidia', maxWorkgroupBytes: 49152, maxInvocations: 1024};
const MATRIX_TILES: readonly TileName[] = ['matrix', 'matrixEager', 'matrixNarrow'];

const arbitraryProblem = fc
  .record({
    length: fc.constantFrom(1, 60, 1000, 4096, 5000),
    headDim: fc.integer({min: 1, max: 256}),
    valueDim: fc.integer({min: 1, max: 256}),
  })
  .map(({length, ...dims}) => square(length, dims));
const arbitraryRows = fc.constantFrom(full(), causal(), slidingWindow({left: 9}), strided({stride: 8}), null);

describe('the tile shapes to choose from', () => {
  it('are those of software for a CPU that plays GPU, whatever else it says of itself', () => {
    fc.assert(
      fc.property(
        arbitraryProblem,
        arbitraryRows,
        fc.constantFrom(...PRECISIONS),
        fc.boolean(),
        (problem, pattern, precision, featured) => {
          const device = {...(featured ? featuredDevice(MATRIX_16, MATRIX_8) : SOFTWARE_DEVICE), software: true};
          const names = candidates(pattern && rowsOf(pattern, problem), problem, device, formatsOf(precision));
          expect(names).toEqual([problem.valueDim > 128 ? 'softwareDeep' : 'software']);
        },
      ),
      {numRuns: 40},
    );
  });

  it('begin on devices that nobody measured with one that fits every device', () => {
    fc.assert(
      fc.property(
        arbitraryProblem,
        arbitraryRows,
        fc.constantFrom(...PRECISIONS),
        fc.constantFrom('', 'apple', 'intel', 'amd'),
        fc.constantFrom(16384, 32768, 65536),
        (problem, pattern, precision, vendor, maxWorkgroupBytes) => {
          const device = {...CORE_DEVICE, vendor, maxWorkgroupBytes};
          const acsr = pattern && rowsOf(pattern, problem);
          const tile = chooseTile(acsr, problem, device, formatsOf(precision));
          expect(tile).toBe(TILES[candidates(acsr, problem, device, formatsOf(precision))[0]!]);
          expect(tile.workgroupBytes).toBeLessThanOrEqual(16384);
          expect(tile.threadsX * tile.threadsY).toBeLessThanOrEqual(256);
          expect(tile.queries).not.toBe('fragments');
        },
      ),
      {numRuns: 60},
    );
  });

  it('are never larger than the device, and what is generated for them is what they say', () => {
    for (const maxWorkgroupBytes of [16384, 24576, 49152]) {
      for (const precision of PRECISIONS) {
        for (const headDim of [5, 64, 128, 256]) {
          for (const pattern of [full(), slidingWindow({left: 9}), strided({stride: 8})]) {
            const device = {...NVIDIA, maxWorkgroupBytes};
            const problem = square(5000, {headDim, valueDim: headDim});
            const acsr = rowsOf(pattern, problem);
            const names = candidates(acsr, problem, device, formatsOf(precision));
            expect(names.length).toBeGreaterThan(0);
            expect(new Set(names).size).toBe(names.length);
            for (const name of names) {
              expect(TILES[name].workgroupBytes).toBeLessThanOrEqual(maxWorkgroupBytes);
              const plan = makePlan(acsr, problem, device, 'fused', {formats: formatsOf(precision), tile: TILES[name]});
              for (const {program} of generate(plan, {features: {...PLAIN, bias: true}})) {
                expect(program.workgroupBytes)
                  .withContext(`${name}, ${precision}, ${headDim}`)
                  .toBeLessThanOrEqual(TILES[name].workgroupBytes);
                expect(program.invocations).toBeLessThanOrEqual(256);
              }
            }
          }
        }
      }
    }
  });

  it('keep the output of an invocation in registers: wide values take fewer rows', () => {
    const names = (valueDim: number): readonly TileName[] =>
      candidates(rowsOf(full(), square(5000)), square(5000, {valueDim}), NVIDIA, formatsOf('float32'));
    expect(names(64)[0]).toBe('long');
    expect(names(65)).not.toContain('long');
    expect(names(128)).not.toEqual(['deep']);
    expect(names(129)).toEqual(['deep']);
  });

  it('are led by what was tuned for such a call, where it suits', () => {
    const problem = square(5000);
    const acsr = rowsOf(full(), problem);
    const tuned = (name: string): readonly TileName[] =>
      candidates(acsr, problem, {...NVIDIA, tuned: {'float32, long rows, 64 → 64 features': name}}, formatsOf('float32'));
    const usual = candidates(acsr, problem, NVIDIA, formatsOf('float32'));
    expect(tuned('staged')).toEqual(['staged', ...usual.filter((name) => name !== 'staged')]);
    for (const unfit of ['matrix', 'deep', 'no tile at all', 'toString']) expect(tuned(unfit)).withContext(unfit).toEqual(usual);
    expect(
      candidates(acsr, problem, {...NVIDIA, tuned: {'float16, long rows, 64 → 64 features': 'staged'}}, formatsOf('float32')),
    ).toEqual(usual);
  });
});

describe('the situation of a call', () => {
  const of = (pattern: Pattern | null, length: number, keyLength = length): string => {
    const problem = {...square(length), keyLength};
    return situationOf(pattern && rowsOf(pattern, problem), problem);
  };

  it('is told by the keys of an average row, the queries and the largest stride', () => {
    expect(of(full(), 63)).toBe('short');
    expect(of(full(), 64)).toBe('short'); // 64 keys a row
    expect(of(full(), 200)).toBe('medium');
    expect(of(slidingWindow({left: 50, right: 50}), 4096)).toBe('short');
    expect(of(slidingWindow({left: 50, right: 50}), 5000)).toBe('medium');
    expect(of(full(), 4096)).toBe('long');
    expect(of(causal(), 4096)).toBe('medium');
    expect(of(causal(), 8192)).toBe('long');
    expect(of(full(), 500, 9000)).toBe('medium');
    expect(of(strided({stride: 8}), 5000)).toBe('strided');
    expect(of(slidingWindow({left: 64, right: 64, dilation: 8}), 400)).toBe('short'); // 50 rows of a residue
  });

  it('of a mask tensor counts every key', () => {
    expect(of(null, 63)).toBe('short');
    expect(of(null, 100)).toBe('medium');
    expect(of(null, 5000)).toBe('long');
  });

  it('of no queries is short, and a plan exists', () => {
    expect(of(full(), 0, 10)).toBe('short');
    expect(chooseTile(rowsOf(full(), square(0)), square(0), featuredDevice(MATRIX_16), formatsOf('float16'))).toBe(
      TILES.matrixNarrow,
    );
  });
});

describe('tensor cores', () => {
  const problem = square(1000);
  const on = (device: Device, precision: 'float32' | 'float16' = 'float16', sizes: Partial<Problem> = {}): MatrixConfig | null =>
    chooseMatrix({...problem, ...sizes}, device, formatsOf(precision));
  const featured = featuredDevice(MATRIX_16, MATRIX_8);

  it('compute with matrices of the type that is stored', () => {
    expect(on(featured)).toBe(MATRIX_16);
    expect(on(featured, 'float32')).toBe(MATRIX_8);
    expect(on(featuredDevice(MATRIX_16), 'float32')).toBeNull();
    expect(on(featuredDevice(MATRIX_8))).toBeNull();
    expect(on(featuredDevice())).toBeNull();
  });

  it('take the largest of the shapes that tile 32 rows, 16 keys and 16 features, and change no list', () => {
    const shape = (M: number, N: number, K: number): MatrixConfig => ({...MATRIX_16, M, N, K});
    const given = Object.freeze([shape(8, 8, 8), shape(16, 8, 8), shape(16, 8, 16), shape(32, 32, 16), shape(16, 16, 4)]);
    expect(on(featuredDevice(...given))).toBe(given[2]!);
    expect(on(featuredDevice(shape(16, 8, 8)))).toEqual(shape(16, 8, 8));
    for (const [M, N, K] of [
      [32, 8, 16],
      [16, 64, 16],
      [16, 16, 32],
      [4, 8, 8],
    ] as const)
      expect(on(featuredDevice(shape(M, N, K))))
        .withContext(`${M} × ${N} × ${K}`)
        .toBeNull();
    const device = {...featured, matrices: given};
    expect(() => on(device)).not.toThrow();
  });

  it('sum in float32, of halves or floats', () => {
    for (const change of [{resultComponentType: 'f16'}, {componentType: 'u8', resultComponentType: 'u32'}, {componentType: 'i8'}])
      for (const precision of PRECISIONS)
        expect(on(featuredDevice({...MATRIX_16, ...change}), precision))
          .withContext(JSON.stringify(change))
          .toBeNull();
  });

  it('need subgroups of 32, no more and no less', () => {
    for (const subgroups of [null, {min: 4, max: 4}, {min: 16, max: 32}, {min: 32, max: 64}, {min: 64, max: 64}])
      expect(on({...featured, subgroups}))
        .withContext(JSON.stringify(subgroups))
        .toBeNull();
  });

  it('hold rows of at most 128 features, floats in whole fragments', () => {
    expect(on(featured, 'float16', {headDim: 128, valueDim: 128})).toBe(MATRIX_16);
    expect(on(featured, 'float16', {headDim: 129})).toBeNull();
    expect(on(featured, 'float16', {valueDim: 129})).toBeNull();
    expect(on(featured, 'float16', {headDim: 1, valueDim: 3})).toBe(MATRIX_16);
    expect(on(featured, 'float32', {headDim: 5, valueDim: 16})).toBeNull();
    expect(on(featured, 'float32', {headDim: 16, valueDim: 20})).toBeNull();
    expect(on(featured, 'float32', {headDim: 48, valueDim: 16})).toBe(MATRIX_8);
  });

  it('leave what does not fit into workgroup memory, or needs too many invocations, to register tiles', () => {
    const small = {...featured, maxWorkgroupBytes: 16384};
    expect(on(small, 'float16', {headDim: 64})).toBe(MATRIX_16);
    expect(on(small, 'float16', {headDim: 128, valueDim: 128})).toBeNull();
    const wide = square(5000, {headDim: 128, valueDim: 128});
    const plan = makePlan(rowsOf(full(), wide), wide, small, 'fused', {formats: formatsOf('float16')});
    expect([plan.matrix, plan.tile.queries]).toEqual([null, 'storage']);
    expect(on({...featured, maxInvocations: 64})).toBeNull();
  });

  it('get what their programs take: never more workgroup memory than the device has', () => {
    for (const maxWorkgroupBytes of [16384, 20000, 32768]) {
      for (const precision of PRECISIONS) {
        for (let headDim = 1; headDim <= 128; headDim += headDim % 16 === 0 ? 1 : 15) {
          for (const valueDim of [1, 16, 64, 80, 128]) {
            const device = {...featured, maxWorkgroupBytes};
            if (on(device, precision, {headDim, valueDim}) === null) continue;
            const given = square(1000, {headDim, valueDim});
            for (const name of MATRIX_TILES) {
              const plan = makePlan(rowsOf(causal(), given), given, device, 'fused', {
                formats: formatsOf(precision),
                tile: TILES[name],
              });
              expect(plan.matrix).not.toBeNull();
              for (const {program} of generate(plan, {features: {...PLAIN, bias: true}}))
                expect(program.workgroupBytes)
                  .withContext(`${program.name}, ${name}, ${headDim} → ${valueDim}, ${precision}`)
                  .toBeLessThanOrEqual(maxWorkgroupBytes);
            }
          }
        }
      }
    }
  });

  it('are used by a plan exactly where its tile is one of theirs', () => {
    fc.assert(
      fc.property(
        arbitraryProblem,
        arbitraryRows,
        fc.constantFrom(...PRECISIONS),
        fc.constantFrom(featured, NVIDIA, small16()),
        (given, pattern, precision, device) => {
          const plan =
            pattern === null
              ? planMaskTensor(given, device, {formats: formatsOf(precision)})
              : makePlan(rowsOf(pattern, given), given, device, 'auto', {formats: formatsOf(precision)});
          expect(plan.matrix).toBe(chooseMatrix(given, device, formatsOf(precision)));
          expect(plan.tile.queries === 'fragments').toBe(plan.matrix !== null);
        },
      ),
      {numRuns: 60},
    );
  });

  const small16 = (): Device => ({...featuredDevice(MATRIX_16), maxWorkgroupBytes: 16384});

  it('take small tiles for short rows', () => {
    const first = (pattern: Pattern, length: number): TileName | undefined =>
      candidates(rowsOf(pattern, square(length)), square(length), featured, formatsOf('float16'))[0];
    expect(first(slidingWindow({left: 9}), 1000)).toBe('matrixNarrow');
    expect(first(strided({stride: 8}), 5000)).toBe('matrixNarrow');
    expect(first(full(), 5000)).toBe('matrix');
    expect(first(causal(), 4096)).toBe('matrix');
  });

  it('compute scores ahead where whole rows run all at once', () => {
    expect(settle(TILES.matrix, 264, 0, REFERENCE)).toBe(TILES.matrixEager);
    expect(settle(TILES.matrix, 265, 0, REFERENCE)).toBe(TILES.matrix);
    expect(settle(TILES.matrix, 1, 1, REFERENCE)).toBe(TILES.matrix);
    for (const name of Object.keys(TILES) as TileName[])
      if (name !== 'matrix')
        expect(settle(TILES[name], 1, 0, REFERENCE))
          .withContext(name)
          .toBe(TILES[name]);
    const eager = makePlan(rowsOf(full(), square(4096)), square(4096), featured, 'fused', {formats: formatsOf('float16')});
    expect(eager.tile).toBe(TILES.matrixEager);
    const many = square(4096, {heads: 64});
    expect(makePlan(rowsOf(full(), many), many, featured, 'fused', {formats: formatsOf('float16')}).tile).toBe(TILES.matrix);
  });
});

describe('long rows', () => {
  // 132 multiprocessors with three workgroups of 16 KB each.
  const AT_ONCE = 396;

  it('stay whole on a CPU that plays GPU', () => {
    expect(partsOf([1000, 3], 1, SOFTWARE_DEVICE, TILES.software)).toEqual({longest: Infinity, part: Infinity});
  });

  it('that do not fill the device are cut into the smallest parts, of at least 192 keys, that still run all at once', () => {
    for (const tile of [TILES.wide, TILES.narrow, TILES.matrix]) {
      const least = Math.ceil(192 / tile.keys);
      expect(partsOf([30 * least], 1, CORE_DEVICE, tile)).toEqual({longest: least, part: least});
      expect(partsOf([1], 1, CORE_DEVICE, tile)).toEqual({longest: least, part: least});
      fc.assert(
        fc.property(fc.array(fc.nat(300), {minLength: 1, maxLength: 60}), fc.integer({min: 1, max: 6}), (lengths, heads) => {
          const {longest, part} = partsOf(lengths, heads, CORE_DEVICE, tile);
          const items = (size: number): number =>
            heads * lengths.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / size)), 0);
          expect(longest).toBe(part);
          expect(part).toBeGreaterThanOrEqual(least);
          expect(part).toBeLessThanOrEqual(Math.max(least, ...lengths));
          if (part > least) expect(items(part - 1)).toBeGreaterThan(1.15 * AT_ONCE);
          if (part < Math.max(...lengths)) expect(items(part)).toBeLessThanOrEqual(1.15 * AT_ONCE);
        }),
        {numRuns: 60},
      );
    }
  });

  it('that fill it are left whole unless one is much longer than its share', () => {
    const even = Array<number>(AT_ONCE).fill(64);
    const whole = partsOf(even, 1, CORE_DEVICE, TILES.wide);
    expect(Math.max(...even) > whole.longest).toBe(true); // 64 tiles against a share of 24: cut
    const short = Array<number>(4 * AT_ONCE).fill(64);
    expect(partsOf(short, 1, CORE_DEVICE, TILES.wide).longest).toBeGreaterThanOrEqual(64);
    const uneven = [...Array<number>(4 * AT_ONCE).fill(8), 5000];
    const {longest, part} = partsOf(uneven, 1, CORE_DEVICE, TILES.wide);
    expect(longest).toBeGreaterThanOrEqual(8);
    expect(longest).toBeLessThan(5000);
    expect(part).toBeLessThanOrEqual(longest);
  });

  it('count for every line on the grid as for every item', () => {
    const lengths = Array<number>(20).fill(100);
    const twelve = Array<number>(240).fill(100);
    expect(partsOf(lengths, 12, CORE_DEVICE, TILES.wide)).toEqual(partsOf(twelve, 1, CORE_DEVICE, TILES.wide));
    expect(partsOf(lengths, 64, CORE_DEVICE, TILES.wide).longest).toBeGreaterThanOrEqual(100);
  });
});
