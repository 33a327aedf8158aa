import {parseOptions} from '../../../bench/options.js';
import {PATTERNS} from '../../../bench/patterns.js';
import type {BenchRecord} from '../../../bench/records.js';
import {benchInputs, fromHalves, growingKeys, halfInputs, sampledError, sampledErrors} from '../../../bench/reference.js';
import {replaceSection} from '../../../bench/sections.js';
import {digits, median, textTable} from '../../../bench/table.js';
import {neverSeen} from '../../../bench/tier_op.js';
import {parseTierOptions, type TierOptions} from '../../../bench/tier_options.js';
import {targetsText, tierTables} from '../../../bench/tier_report.js';
import {runsPrototypeMatrix, tierDevice} from '../../../bench/tier_systems.js';
import {compile, CORE_DEVICE} from '../../../src/pure.js';
import {oracle} from '../../oracle.js';
import {problemFor} from '../../support/plans.js';
import {toHalf} from '../../support/halves.js';

const NAMES = PATTERNS.map(({name}) => name);

describe('the benchmark', () => {
  it('times the patterns that its table describes', () => {
    const n = 700;
    const shape = {queryLength: n, keyLength: n};
    for (const {name, pattern, attends} of PATTERNS) {
      for (let i = 0; i < n; i += 13) {
        for (let j = 0; j < n; j++) {
          if (pattern.attends(i, j, shape) !== attends(i, j)) fail(`${name}: query ${i}, key ${j}`);
        }
      }
    }
    expect(NAMES.length).toBe(9);
  });

  it('notices a wrong element and one that is not finite in a row that it samples', () => {
    const inputs = benchInputs(1, 40, 8);
    const {attends} = PATTERNS.find(({name}) => name === 'causal')!;
    const output = oracle({...inputs, batch: 1, queryLength: 40, keyLength: 40, valueDim: 8}, attends);
    expect(sampledError(inputs, attends, output)).toBeLessThan(1e-12);
    output[39 * 8] = output[39 * 8]! + 0.01;
    expect(sampledError(inputs, attends, output)).toBeCloseTo(0.01, 6);
    output[39 * 8] = NaN;
    expect(sampledError(inputs, attends, output)).toBe(Infinity);
  });

  it('runs one small case on a software adapter and everything on a GPU', () => {
    const software = parseOptions([], NAMES, true);
    expect(software).toEqual(jasmine.objectContaining({lengths: [2048], patterns: ['window64'], peers: false}));
    const gpu = parseOptions([], NAMES, false);
    expect(gpu).toEqual(jasmine.objectContaining({lengths: [1024, 4096, 16384], dense: true, peers: true}));
    expect(parseOptions(['--n', '512', '--no-dense'], NAMES, false)).toEqual(
      jasmine.objectContaining({lengths: [512], dense: false}),
    );
  });

  it('refuses an unknown pattern by naming the nearest, and lengths that are no counts', () => {
    expect(() => parseOptions(['--patterns', 'windw'], NAMES, false)).toThrowError(/Did you mean 'window'/);
    expect(() => parseOptions(['--n', '0'], NAMES, false)).toThrowError(/--n: found '0', expected a positive integer/);
  });

  it('rounds to three digits and takes medians', () => {
    expect([0.05312, 3.456, 123.4, 40157, 0].map(digits)).toEqual(['0.0531', '3.46', '123', '40157', '0']);
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
  });
});

describe('a table for a terminal', () => {
  it('puts sentences below itself, each once, so that no column grows wide', () => {
    const why = 'does not fit: a matrix of 8 × 16384 × 16384 scores has 8 GiB, and a binding of this device 1 GiB';
    const table = textTable(
      ['pattern', 'ms', 'dense'],
      [
        ['a window of 513 keys around each query', '1.5', why],
        ['full', '15.5', why],
      ],
    );
    expect(table.split('\n')).toEqual([
      'pattern                                   ms  dense',
      '──────────────────────────────────────  ────  ─────',
      'a window of 513 keys around each query   1.5    (1)',
      'full                                    15.5    (1)',
      `(1) ${why}`,
    ]);
  });
});

describe('the benchmark of the tiers', () => {
  it('sweeps all patterns at headDim 64, and adds sizes of its own only where none were asked for', () => {
    const all = tierOptions([]);
    const sizes = new Set(all.cases.map(({n, headDim}) => `${n} × ${headDim}`));
    expect([...sizes]).toEqual(['1024 × 64', '4096 × 64', '16384 × 64', '8192 × 32', '8192 × 128', '16384 × 128']);
    expect(all.cases.filter(({n, headDim}) => n === 4096 && headDim === 64).length).toBe(8);
    expect(all.cases.at(-1)).toEqual({pattern: 'causal', n: 16384, headDim: 128, systems: ['tensor cores', 'prototype matrix']});
    expect(all).toEqual(jasmine.objectContaining({heads: 8, adversarial: false, calls: 300, budgetSeconds: 150}));
    const some = tierOptions(['--n', '4096', '--patterns', 'causal', '--systems', 'tensor-cores,float32', '--calls', '0']);
    expect(some.cases).toEqual([{pattern: 'causal', n: 4096, headDim: 64, systems: ['tensor cores', 'float32']}]);
    expect(some.calls).toBe(0);
    expect(tierOptions([], true).cases.map(({pattern, n}) => `${pattern} ${n}`)).toEqual(['window64 512']);
    expect(() => tierOptions(['--systems', 'tensor-core'])).toThrowError(/Did you mean 'tensor cores'/);
  });

  it('makes inputs that float16 holds exactly, and keys that grow', () => {
    const inputs = halfInputs(2, 50, 8);
    const grown = growingKeys(inputs);
    for (const numbers of [inputs.query, inputs.key, inputs.value, grown.key]) expect(numbers).toEqual(numbers.map(toHalf));
    const norm = (key: Float32Array, row: number): number => Math.hypot(...key.subarray(8 * row, 8 * row + 8));
    for (const [row, factor] of [
      [0, 0.2],
      [49, 6],
      [99, 6],
    ] as const) {
      expect(norm(grown.key, row) / norm(inputs.key, row)).toBeCloseTo(factor, 2);
    }
    expect([...fromHalves(Uint16Array.of(0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e00))]).toEqual([
      1,
      -2,
      2 ** -24,
      65504,
      Infinity,
      NaN,
    ]);
  });

  it('tells a missing key from rounding to float16 by the relative error', () => {
    const n = 4096;
    const inputs = halfInputs(1, n, 8);
    const shape = {...inputs, batch: 1, queryLength: n, keyLength: n, valueDim: 8};
    // Queries are sampled, so that the oracle computes only what is compared.
    const sampled = new Set(Array.from({length: 8}, (_, i) => (i === 7 ? n - 1 : Math.floor(((i * 0.6180339887) % 1) * n))));
    const right = oracle(shape, (query) => sampled.has(query));
    const rounded = sampledErrors(inputs, () => true, right.map(toHalf));
    expect(rounded.relative).toBeLessThan(1e-3);
    const missing = sampledErrors(
      inputs,
      () => true,
      oracle(shape, (query, key) => sampled.has(query) && key !== 77),
    );
    expect(missing.relative).toBeGreaterThan(2e-3);
  });

  it('plans each system for its share of what was granted, and says what was not', () => {
    const matrices = [{componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16}];
    const all = {...CORE_DEVICE, subgroups: {min: 32, max: 32}, float16: true, matrices};
    expect(tierDevice('float32', all, [])).toEqual({device: CORE_DEVICE, precision: ['float32']});
    expect(tierDevice('float32 subgroups', all, [])).toEqual({
      device: {...CORE_DEVICE, subgroups: all.subgroups},
      precision: ['float32'],
    });
    expect(tierDevice('float16 storage', all, [])).toEqual({device: {...all, matrices: []}, precision: ['float16']});
    expect(tierDevice('tensor cores', all, [])).toEqual({device: all, precision: ['float16', 'float32']});
    expect(tierDevice('float32 subgroups', CORE_DEVICE, ['float16: a.', 'subgroups: b.'])).toBe('not granted: subgroups: b.');
    expect(runsPrototypeMatrix({...all, maxWorkgroupBytes: 49152})).toBe(true);
    expect(runsPrototypeMatrix(all)).toBe(false);
  });

  it('finds kernels whose program it can make new for the driver', () => {
    const problem = problemFor({queryLength: 256, keyLength: 256, queryOffset: 0}, {headDim: 64});
    const matrices = [{componentType: 'f16', resultComponentType: 'f32', M: 16, N: 16, K: 16}];
    const device = {...CORE_DEVICE, subgroups: {min: 32, max: 32}, float16: true, matrices};
    const {launches} = compile(PATTERNS[0]!.pattern, problem, device, {precision: 'float16'});
    expect(launches.map(({program}) => program.name.split('.')[1])).toEqual(
      jasmine.arrayContaining(['convert', 'attendMatrix', 'repair']),
    );
    for (const {program} of launches) {
      const [one, other] = [neverSeen(program), neverSeen(program)];
      expect(one.code).toMatch(/fn main\([^{]*\{\nif \(params\.queryLength == \d+u\) \{ return; \}/);
      expect(new Set([program.key, one.key, other.key]).size).toBe(3);
    }
  });

  it('reports times beside targets, peers and what did not run', () => {
    const tier = {kind: 'tier', pattern: 'causal', n: 4096, heads: 8, headDim: 64} as const;
    const records: BenchRecord[] = [
      {...tier, system: 'float32', ms: 0.61, firstMs: 200, tile: '64×64', pipelines: 2},
      {...tier, system: 'float32 subgroups', ms: 0.55, firstMs: 400},
      {...tier, system: 'float16 storage', ms: 0.5, convertMs: 0.02},
      {...tier, system: 'tensor cores', ms: 0.16, convertMs: 0.021},
      {...tier, system: 'prototype matrix', ms: null, error: 'not granted: no matrices'},
      {...tier, system: 'tensor cores', n: 16384, ms: 1.3},
      {...tier, system: 'tensor cores', n: 16384, keys: 'growing', ms: 3.5, relativeError: 2e-4},
      {kind: 'attention', system: 'FlexAttention', dtype: 'float16', pattern: 'causal', n: 4096, heads: 8, headDim: 64, ms: 0.096},
      {kind: 'call', what: 'sparseAttention', calls: 300, us: 100, overMatMulUs: 70},
    ];
    const text = tierTables(records).join('\n\n');
    expect(text).toContain(
      '| causal | 4096, 8 × 64 | 0.610 | ≤ 0.600 met with subgroups | 0.550 | 0.500 | 0.160 | ≤ 0.150 **missed** | 0.0210 | 0.0960 | 0.600× | not granted |',
    );
    expect(text).toContain(
      '- Keys whose norm grows thirtyfold, causal 16384 × 64, tensor cores: 3.50 ms with the repair, 1.30 on the usual keys;',
    );
    expect(text).toContain('- prototype matrix: not granted: no matrices (causal 4096 × 64).');
    expect(targetsText(records)).toBe(
      'Targets met: 3 of 6. Met with subgroups: float32 causal 4096 × 64 0.610 (target 0.600 ms). ' +
        'Missed: tensor cores causal 4096 × 64 0.160 (target 0.150 ms); first call float32 subgroups 400 (target 350 ms); ' +
        'CPU above tf.matMul: sparseAttention 70.0 (target 60.0 µs).',
    );
    expect(tierTables(records.filter(({kind}) => kind !== 'tier'))).toEqual([]);
  });

  it('replaces a section of the document, and puts a new one behind the one it belongs to', () => {
    const old = 'a\n\n<!-- results: x -->\n\nold\n\n<!-- end of results: x -->\n\nb\n';
    const replaced = replaceSection(old, 'x', 'new');
    expect(replaced).toBe('a\n\n<!-- results: x -->\n\nnew\n\n<!-- end of results: x -->\n\nb\n');
    const added = '<!-- results: x-tiers -->\n\nt\n\n<!-- end of results: x-tiers -->';
    expect(replaceSection(replaced, 'x-tiers', 't', 'x')).toBe(replaced.replace('\n\nb\n', `\n\n${added}\n\nb\n`));
    expect(replaceSection('a\n', 'x-tiers', 't', 'x')).toBe(`a\n\n${added}\n`);
  });
});

function tierOptions(args: readonly string[], software = false): TierOptions {
  const options = parseTierOptions(args, NAMES, software);
  if (options === 'help') throw new Error('no help was asked for');
  return options;
}
