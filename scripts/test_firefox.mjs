// `npm run test:firefox [-- NAME...]`: the specs of test/gpu that are Firefox's, or the files whose path contains a NAME, in headless Firefox. Each file has
// a Firefox of its own, so that a crash costs one file.
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {relative} from 'node:path';
import {build} from 'esbuild';
import {findFirefox, openFirefox, whyNoFirefox} from './firefox.mjs';
import {gpuSpecs} from './gpu_specs.mjs';
import {runSpecFiles} from './spec_files.mjs';
import {ROOT} from './steps.mjs';

process.chdir(ROOT);
const wanted = process.argv.slice(2);
const specs = gpuSpecs('firefox', wanted);
const fault = specs.length === 0 ? `No file of specs for Firefox has a path with ${wanted.join(' or ')}.` : whyNoFirefox();
if (fault !== null) {
  console.error(fault);
  process.exit(1);
}

const {outputFiles} = await build({
  entryPoints: ['test/support/told_specs.ts', 'test/support/gpu_setup.ts', ...specs],
  outdir: '/',
  outbase: '.',
  write: false,
  bundle: true,
  format: 'esm',
  // One TensorFlow.js for all of them.
  splitting: true,
  target: 'es2022',
  logLevel: 'warning',
});
const PAGE = `<!doctype html><meta charset="utf-8"><title>Specs</title>
<script src="/jasmine.js"></script>
<script>
globalThis.jasmine = jasmineRequire.core(jasmineRequire);
Object.assign(globalThis, jasmineRequire.interface(jasmine, jasmine.getEnv()));
</script>
<script type="module" src="/test/support/told_specs.js"></script>`;
const jasmine = readFileSync(createRequire(import.meta.url).resolve('jasmine-core/lib/jasmine-core/jasmine.js'), 'utf8');
/** @type {Map<string, string | Uint8Array>} */
const files = new Map([
  ['/', PAGE],
  ['/jasmine.js', jasmine],
]);
for (const {path, contents} of outputFiles) files.set(`/${relative('/', path).replaceAll('\\', '/')}`, contents);

const firefox = findFirefox();
const {failed} = await runSpecFiles(specs, {
  open: (url) => openFirefox(firefox, url),
  serve(request, response) {
    const {pathname} = new URL(request.url ?? '/', 'http://localhost');
    const type = pathname === '/' ? 'text/html' : 'text/javascript';
    response.writeHead(files.has(pathname) ? 200 : 404, {'content-type': type}).end(files.get(pathname));
  },
});
process.exit(failed > 0 ? 1 : 0);
