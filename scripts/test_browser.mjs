// `npm run test:browser [-- NAME...]`: the specs of test/gpu that are Chromium's, or those whose path contains a NAME, in headless Chromium.
import {build} from 'esbuild';
import karma from 'karma';
import configure, {BUNDLE} from '../karma.conf.js';
import {gpuSpecs} from './gpu_specs.mjs';
import {ROOT} from './steps.mjs';

process.chdir(ROOT);
const specs = gpuSpecs('chromium', process.argv.slice(2));

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
