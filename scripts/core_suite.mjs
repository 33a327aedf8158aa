// Runs the specs that tfjs-core publishes on the stock WebGPU backend and on that of createWebGPUBackend, and compares them one by one.
//
//   node scripts/core_suite.mjs                  all of them: three minutes on two cores
//   node scripts/core_suite.mjs ops/abs_test     some files, by their names in tfjs-core/dist
//   node scripts/core_suite.mjs --pack folder    makes a folder that needs nothing of this project, for a machine with Node and a GPU:
//                                                node folder/core_suite.mjs
import {cpSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {arch, platform} from 'node:process';
import {pathToFileURL} from 'node:url';
import {build} from 'esbuild';
import {ROOT} from './steps.mjs';

const CORE = '@tensorflow/tfjs-core/dist';
const WEBGPU = join(ROOT, 'node_modules/webgpu');

const packed = process.argv[2] === '--pack';
const folder = packed ? process.argv[3] : join(ROOT, 'node_modules/.cache/tfjs-splat/core_suite');
if (folder === undefined) throw new Error('--pack needs a folder.');

const gpu = join(ROOT, 'test/support/node_webgpu.mjs');
// In its place it finds SwiftShader; elsewhere it travels along, and a GPU has to be there.
await bundle('core_suite', parent(packed ? "new URL('gpu.mjs', import.meta.url)" : `new URL('${pathToFileURL(gpu).href}')`));
await bundle('specs', child());
if (packed) {
  await bundle('gpu', `import ${JSON.stringify(gpu)};`);
  const dawn = readdirSync(join(WEBGPU, 'dist')).filter((name) =>
    [arch, 'universal'].some((kind) => name === `${platform}-${kind}`),
  );
  for (const path of ['index.js', 'package.json', ...dawn.map((name) => `dist/${name}`)]) {
    cpSync(join(WEBGPU, path), join(folder, 'node_modules/webgpu', path), {recursive: true});
  }
  console.log(`Copy ${folder} to a machine with Node and a GPU, and run there: node ${folder}/core_suite.mjs`);
} else await import(pathToFileURL(join(folder, 'core_suite.mjs')).href);

/** The files that use a backend; the others would prove nothing. */
function specFiles() {
  /** @param {string} name */
  const path = (name) => join(ROOT, 'node_modules', CORE, `${name}.js`);
  const names = [...readFileSync(path('tests'), 'utf8').matchAll(/^import '\.\/(.+)';$/gm)].map((match) => match[1]);
  return names.filter((name) => readFileSync(path(name), 'utf8').includes('describeWithFlags'));
}

/** @param {string} gpuModule */
function parent(gpuModule) {
  return `
    import {run} from './test/core_suite/run.ts';
    const specs = new URL('specs.mjs', import.meta.url);
    await run({specs, gpu: ${gpuModule}, files: ${JSON.stringify(specFiles())}}, process.argv.slice(2));`;
}

function child() {
  const loaders = specFiles().map((name) => `'${name}': () => import('${CORE}/${name}')`);
  return `
    import {runSpecs} from './test/core_suite/specs.ts';
    const [system, ...names] = process.argv.slice(2);
    await runSpecs({${loaders.join(', ')}}, system, names);`;
}

/**
 * @param {string} name
 * @param {string} contents
 */
function bundle(name, contents) {
  return build({
    stdin: {contents, resolveDir: ROOT, loader: 'ts'},
    outfile: join(folder, `${name}.mjs`),
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['webgpu'],
    // One copy of tfjs-core, that of the specs; and modules imported for what they do stay, whatever their packages say of them.
    mainFields: ['module', 'main'],
    ignoreAnnotations: true,
    banner: {js: "import {createRequire as requireFrom} from 'node:module'; const require = requireFrom(import.meta.url);"},
    logLevel: 'warning',
  });
}
