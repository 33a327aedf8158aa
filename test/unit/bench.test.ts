import {parseOptions} from '../../bench/options.js';
import {PATTERNS} from '../../bench/patterns.js';
import {benchInputs, sampledError} from '../../bench/reference.js';
import {digits, median} from '../../bench/table.js';
import {oracle} from '../oracle.js';

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
