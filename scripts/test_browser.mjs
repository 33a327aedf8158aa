// `npm run test:browser [-- NAME...]`: the specs of test/gpu, or those whose path contains a NAME, in headless Chromium.
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {build} from 'esbuild';
import karma from 'karma';
import configure, {BUNDLE} from '../karma.conf.js';
import {ROOT} from './steps.mjs';

process.chdir(ROOT);
/**
 * Run here only if they are named: minutes of combinations, which Node runs, and what kernels compute, which Node runs with the same compiler on the
 * same adapter, and Firefox with another.
 */
const ELSEWHERE = /\/(matrix|kernels)\//;

const wanted = process.argv.slice(2);
const specs = readdirSync('test/gpu', {recursive: true, encoding: 'utf8'})
  .map((path) => join('test/gpu', path).replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.test.ts'))
  .filter((path) => (wanted.length === 0 ? !ELSEWHERE.test(path) : wanted.some((name) => path.includes(name))))
  .sort();

await build({
  stdin: {
    contents: ['./test/support/gpu_setup.ts', ...specs.map((path) => `./${path}`)].map((path) => `import '${path}';`).join('\n'),
    resolveDir: ROOT,
  },
  outfile: BUNDLE,
  bundle: true,
  format: 'iife',
  target: 'es2022',
  sourcemap: 'inline',
  logLevel: 'warning',
});

// Karma would load its file by require, which Node 20 has for ES modules only in its later releases.
const config = {};
configure({set: (options) => Object.assign(config, options)});
const parsed = await karma.config.parseConfig(null, {basePath: ROOT, ...config}, {promiseConfig: true, throwErrors: true});
await new karma.Server(parsed, (code) => process.exit(code)).start();
