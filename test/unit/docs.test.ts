import {readFileSync} from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import {transformSync} from 'esbuild';
import * as splat from '../../src/index.js';

const readme = readFileSync('README.md', 'utf8');
const [example] = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map((match) => match[1]!);

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

describe('docs/architecture.md', () => {
  it('quotes the golden file as it is', () => {
    const golden = readFileSync('test/golden/window-and-globals.txt', 'utf8');
    const quotes = [...readFileSync('docs/architecture.md', 'utf8').matchAll(/```golden\n([\s\S]*?)```/g)];
    expect(quotes.length).toBe(4);
    for (const [, quote] of quotes) expect(golden).toContain(quote!);
  });
});
