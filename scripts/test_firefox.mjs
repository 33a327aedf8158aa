// `npm run test:firefox [-- NAME...]`: the specs of test/gpu, or the files whose path contains a NAME, in headless Firefox. Each file has
// a Firefox of its own, so that a crash costs one file.
import {readdirSync, readFileSync, rmSync} from 'node:fs';
import {extname, join} from 'node:path';
import {build} from 'esbuild';
import {findFirefox, openFirefox} from './firefox.mjs';
import {runSpecFiles} from './spec_files.mjs';
import {ROOT} from './steps.mjs';

process.chdir(ROOT);
const FOLDER = 'node_modules/.cache/tfjs-splat/firefox';
/** Minutes of combinations, which Node runs; and WebGL, which headless Firefox has not. */
const ELSEWHERE = /\/matrix\/|\/runtime_webgl\./;

const firefox = orExit(findFirefox);
const wanted = process.argv.slice(2);
const specs = readdirSync('test/gpu', {recursive: true})
  .map((path) => join('test/gpu', path).replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.test.ts') && !ELSEWHERE.test(path))
  .filter((path) => wanted.length === 0 || wanted.some((name) => path.includes(name)))
  .sort();
if (specs.length === 0)
  orExit(() => {
    throw new Error(`No file of specs for Firefox has a path with ${wanted.join(' or ')}.`);
  });

rmSync(FOLDER, {recursive: true, force: true});
await build({
  entryPoints: ['test/support/told_specs.ts', 'test/support/gpu_setup.ts', ...specs],
  outdir: FOLDER,
  outbase: '.',
  bundle: true,
  format: 'esm',
  // One TensorFlow.js for all of them.
  splitting: true,
  target: 'es2022',
  sourcemap: 'inline',
  logLevel: 'warning',
});

const PAGE = `<!doctype html><meta charset="utf-8"><title>Specs</title>
<script src="/node_modules/jasmine-core/lib/jasmine-core/jasmine.js"></script>
<script>
globalThis.jasmine = jasmineRequire.core(jasmineRequire);
Object.assign(globalThis, jasmineRequire.interface(jasmine, jasmine.getEnv()));
</script>
<script type="module" src="/${FOLDER}/test/support/told_specs.js"></script>`;

const results = await runSpecFiles(specs, {
  open: (url) => openFirefox(firefox, url),
  serve(request, response) {
    const {pathname} = new URL(request.url, 'http://localhost');
    try {
      const body = pathname === '/' ? PAGE : readFileSync(join(ROOT, pathname));
      response.writeHead(200, {'content-type': extname(pathname) === '.js' ? 'text/javascript' : 'text/html'}).end(body);
    } catch {
      response.writeHead(404).end();
    }
  },
});
process.exit(results.failed > 0 || results.specs === 0 ? 1 : 0);

function orExit(work) {
  try {
    return work();
  } catch (error) {
    console.error(error.message);
    return process.exit(1);
  }
}
