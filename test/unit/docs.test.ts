import {readFileSync} from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import {transformSync} from 'esbuild';
import * as splat from '../../src/index.js';

const readme = readFileSync('README.md', 'utf8');
const [example, , generation] = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);

describe('the example of the README', () => {
  it('has 15 lines at most', () => {
    expect(example!.trim().split('\n').length).toBeLessThanOrEqual(15);
  });

  it('runs as it stands and prints what it computed', async () => {
    await tf.setBackend('cpu');
    const printed: string[] = [];
    const modules: Record<string, unknown> = {'@tensorflow/tfjs-core': tf, 'tfjs-splat': splat};
    const {code} = transformSync(example!, {loader: 'ts', format: 'cjs'});
    const result = tf.tidy(() => {
      const run = new Function('require', 'console', 'module', `${code}; return output;`) as (...args: unknown[]) => tf.Tensor;
      const output = run((name: string) => modules[name], {log: (line: string) => printed.push(line)}, {exports: {}});
      return {shape: output.shape, finite: tf.all(tf.isFinite(output)).dataSync()[0]};
    });
    expect(result.shape).toEqual([1, 8, 256, 64]);
    expect(result.finite).toBe(1);
    expect(printed[0]).toMatch(/^\d+\.\d % of the pairs, by the fused kernel: computes/);
    expect(printed[1]).toContain('█ full');
  });
});

describe('the cache of the README', () => {
  it('generates as it stands, token by token', async () => {
    await tf.setBackend('cpu');
    const {code} = transformSync(generation!, {loader: 'ts', format: 'cjs'});
    const tokens = (length: number): tf.Tensor => tf.randomNormal([1, 8, length, 64]);
    const names = ['KvCache', 'prefix', 'slidingWindow', 'causal'] as const;
    const run = new Function(...names, 'query', 'key', 'value', `${code}; return {cache, output};`) as (...args: unknown[]) => {
      cache: splat.KvCache;
      output: tf.Tensor;
    };
    const {cache, output} = run(...names.map((name) => splat[name]), tokens(9), tokens(9), tokens(9));
    expect(output.shape).toEqual([1, 8, 9, 64]);
    expect(cache.attend(tokens(1), tokens(1), tokens(1)).shape).toEqual([1, 8, 1, 64]);
    expect(cache.lengths).toEqual([10]);
    cache.dispose();
  });
});

describe('docs/architecture.md', () => {
  it('quotes the golden file as it is', () => {
    const golden = readFileSync('test/golden/window-and-globals.txt', 'utf8');
    const quotes = [...readFileSync('docs/architecture.md', 'utf8').matchAll(/```golden\n([\s\S]*?)```/g)];
    expect(quotes.length).toBe(4);
    for (const [, quote] of quotes) expect(golden).toContain(quote!);
  });
});
