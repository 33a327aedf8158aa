// Packs the package, unpacks it as a user's `npm install` would, and uses it from there: contents, modules, peers, types.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import vm from 'node:vm';
import {ROOT} from './steps.mjs';

const BUNDLES = ['dist/tfjs-splat.cjs', 'dist/tfjs-splat.min.js', 'dist/tfjs-splat.mjs'];
const CONTENTS = [
  ...['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json', 'dist/types/index.d.cts', 'dist/types/index.d.ts'],
  ...BUNDLES.flatMap((path) => [path, `${path}.map`]),
];
const NAMES = [
  ...['full', 'causal', 'slidingWindow', 'strided', 'blockLocal', 'globalTokens', 'prefix', 'documents', 'fromMask'],
  ...['Pattern', 'parsePattern', 'patternFromJSON', 'patternFromMask', 'equals'],
  ...['sparseAttention', 'planAttention', 'prepare', 'tune', 'createWebGPUBackend', 'sparseIOHandler', 'SplatError'],
  ...['sparseAttentionWithAux', 'mergeAttention', 'relativePositionBias', 'KvCache'],
];

const home = mkdtempSync(join(tmpdir(), 'tfjs-splat-pack-'));
try {
  const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', home], {cwd: ROOT, encoding: 'utf8'}));
  const installed = join(home, 'node_modules/tfjs-splat');
  mkdirSync(installed, {recursive: true});
  execFileSync('tar', ['-xzf', join(home, packed.filename), '-C', installed, '--strip-components', '1']);
  symlinkSync(join(ROOT, 'node_modules/@tensorflow'), join(home, 'node_modules/@tensorflow'));
  symlinkSync(join(ROOT, 'node_modules/@webgpu'), join(home, 'node_modules/@webgpu'));

  checkContents(packed);
  checkPeers(installed);
  await checkModules(installed);
  checkTypes(installed);
  console.log(`${packed.filename}: ${packed.files.length} files, ${kib(packed.size)} packed, ${kib(packed.unpackedSize)} unpacked`);
} finally {
  rmSync(home, {recursive: true, force: true});
}

function kib(bytes) {
  return `${Math.ceil(bytes / 1024)} KiB`;
}

function checkContents({files, size}) {
  assert.deepEqual(files.map(({path}) => path).sort(), [...CONTENTS].sort());
  for (const file of files) assert.ok(file.size > 0, `${file.path} is empty`);
  // A script tag is downloaded by every visitor; the rest is downloaded by developers.
  const script = files.find(({path}) => path.endsWith('.min.js'));
  assert.ok(script.size < 256 * 1024, `${script.path} has ${kib(script.size)}`);
  assert.ok(size < 1280 * 1024, `the package has ${kib(size)}`);
}

/** What the bundle imports must be there: only a peer that is not optional is. */
function checkPeers(installed) {
  const {peerDependencies, peerDependenciesMeta} = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  const imported = [
    ...readFileSync(join(installed, 'dist/tfjs-splat.mjs'), 'utf8').matchAll(/^(?:import|export) .*?from ['"](.+?)['"]/gm),
  ];
  for (const [, name] of imported) {
    assert.ok(peerDependencies[name], `${name} is imported and no peer dependency`);
    assert.ok(!peerDependenciesMeta[name]?.optional, `${name} is imported and an optional peer dependency`);
  }
}

async function checkModules(installed) {
  const require = createRequire(join(home, 'index.js'));
  const esm = await import(pathToFileURL(join(installed, 'dist/tfjs-splat.mjs')).href);
  const cjs = require('tfjs-splat');
  assert.deepEqual(
    NAMES.filter((name) => !(name in esm)),
    [],
    'names that the ES module lacks',
  );
  assert.deepEqual(Object.keys(cjs).sort(), Object.keys(esm).sort());
  const script = 'dist/tfjs-splat.min.js';
  // A script tag sees the global `tf` and no module system.
  globalThis.tf = {...require('@tensorflow/tfjs-core'), ...require('@tensorflow/tfjs-converter')};
  vm.runInThisContext(readFileSync(join(installed, script), 'utf8'), {filename: script});
  assert.equal(typeof globalThis.tf.sparseAttention, 'function', script);
  assert.deepEqual(Object.keys(globalThis.tf.splat).sort(), Object.keys(esm).sort(), script);
  delete globalThis.tf;
}

/** A stranger's strict TypeScript, as an ES module and as CommonJS, finds the types and no WebGPU type in them. */
function checkTypes(installed) {
  const declarations = readFileSync(join(installed, 'dist/types/index.d.ts'), 'utf8');
  assert.deepEqual([...new Set(declarations.match(/\bGPU[A-Z]\w*/g) ?? [])], [], 'WebGPU types in the declarations');
  const source =
    "import {causal, slidingWindow, type Pattern} from 'tfjs-splat';\nexport const p: Pattern = causal().and(slidingWindow({left: 4}));\n";
  for (const file of ['user.mts', 'user.cts']) writeFileSync(join(home, file), source);
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const options = ['--strict', '--noEmit', '--skipLibCheck', '--module', 'node16', '--target', 'es2022'];
  execFileSync('node', [tsc, ...options, 'user.mts', 'user.cts'], {cwd: home, stdio: ['ignore', 'inherit', 'inherit']});
}
