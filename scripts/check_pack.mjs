// Packs the package and uses it from outside: contents, sizes, peers, modules, script tags, types.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {createRequire} from 'node:module';
import {dirname, join} from 'node:path';
import {pathToFileURL} from 'node:url';
import vm from 'node:vm';
import {gzipSync} from 'node:zlib';
import {build} from 'esbuild';
import {withPackedPackage} from './packed.mjs';
import {lintPackage} from './release_check.mjs';
import {ROOT} from './steps.mjs';

const SCRIPTS = ['', '.extras', '.layers'].map((name) => `dist/tfjs-splat${name}.min.js`);
const PROSE = ['CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json'];
/**
 * Pages and pictures that the README leads to, so that its links work also where the package is all one has.
 *
 * @param {string} path
 */
const isDocument = (path) => /^(docs|demo)[/]/.test(path);
/** Every visitor of a page with a script tag downloads it; bytes as gzip -9 leaves them. */
const MOST_SCRIPT_BYTES = 86_000;
/** Developers download the package; a third of it is the map that shows them the sources, a third pages and a picture. */
const MOST_PACKAGE_BYTES = 2_252_800;

/** What an app imports: the kernel it must have registered then, and the most its bundle may weigh beside TensorFlow.js. */
const BUNDLES = [
  {code: "import {slidingWindow} from 'tfjs-splat'; console.log(`${slidingWindow({left: 1})}`);", registers: false, most: 10_000},
  {code: "import {causal, sparseAttention} from 'tfjs-splat'; console.log(`${causal()}`, sparseAttention.name);", registers: true},
  {code: "import {causal, loadGraphModel} from 'tfjs-splat'; console.log(`${causal()}`, loadGraphModel.name);", registers: true},
  {code: "import 'tfjs-splat/register';", registers: true},
];

/**
 * What is read of package.json.
 *
 * @typedef {string | {[condition: string]: Door}} Door
 * @typedef {object} Manifest
 * @property {Record<string, Door>} exports
 * @property {string} main
 * @property {string} module
 * @property {string} types
 * @property {string} unpkg
 * @property {string} jsdelivr
 * @property {Record<string, string>} peerDependencies
 * @property {Record<string, {optional?: boolean}>} peerDependenciesMeta
 */

await withPackedPackage(async ({home, installed, packed}) => {
  /** @type {Manifest} */
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  /** @param {string} path */
  const read = (path) => readFileSync(join(installed, path), 'utf8');
  checkContents(packed, manifest, read);
  checkPeers(manifest, read);
  await checkModules(home, installed, manifest);
  checkScripts(home, read, Object.keys(await import(pathToFileURL(join(installed, manifest.module)).href)));
  checkTypes(home, manifest, read);
  const bundles = await checkBundles(home);
  assert.deepEqual(lintPackage(), []);
  const scripts = SCRIPTS.map((path) => `${path.slice(5)} ${gzipSync(read(path), {level: 9}).length}`);
  console.log(`${packed.filename}: ${packed.files.length} files, ${kib(packed.size)} packed, ${kib(packed.unpackedSize)} unpacked`);
  console.log(`script tags, bytes after gzip: ${scripts.join(', ')}`);
  console.log(`bundles, the same: ${bundles.join(', ')}`);
});

/**
 * Bundlers drop what is not imported, and never the registration of what is. README.md says what the bundles weigh, give or take a tenth.
 *
 * @param {string} home
 */
async function checkBundles(home) {
  const quoted = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^\| `(import .*)` \| (\d+) KB \|$/gm)];
  assert.equal(quoted.length, BUNDLES.length, 'rows of README.md about bundles');
  return Promise.all(
    BUNDLES.map(async ({code, registers, most = Infinity}, i) => {
      const outfile = join(home, `bundle${i}.mjs`);
      const stdin = {
        contents: `${code}\nimport * as tf from '@tensorflow/tfjs-core'; console.log(Boolean(tf.getGradient('SparseAttention') && tf.getKernel('SparseAttention', 'webgpu')));`,
        resolveDir: home,
      };
      await build({
        stdin,
        outfile,
        bundle: true,
        minify: true,
        format: 'esm',
        target: 'es2022',
        external: ['@tensorflow/*'],
        logLevel: 'error',
      });
      const printed = execFileSync('node', [outfile], {cwd: home, encoding: 'utf8'});
      assert.equal(printed.trim().endsWith('true'), registers, `${code} registers the kernel`);
      const bytes = gzipSync(readFileSync(outfile), {level: 9}).length;
      assert.ok(bytes <= most, `${code} has ${bytes} bytes after gzip, expected at most ${most}`);
      const [, said, kilobytes] = quoted[i];
      assert.ok(
        Math.abs(Number(kilobytes) - bytes / 1000) <= Math.max(1, bytes / 1e4),
        `README.md says ${kilobytes} KB of ${said}, and there are ${bytes} bytes`,
      );
      return `${said} ${bytes}`;
    }),
  );
}

/** @param {number} bytes */
function kib(bytes) {
  return `${Math.ceil(bytes / 1024)} KiB`;
}

/**
 * The files behind the doors of the package, and what they import, run or show of one another.
 *
 * @param {string[]} paths
 * @param {(path: string) => string} read
 */
function reachable(paths, read) {
  const found = new Set(paths.map((path) => path.replace(/^[.][/]/, '')));
  for (const path of found) {
    const text = read(path);
    const inside = /\b(?:from|require\(|import) ?["'](\.[^"']+)["']|sourceMappingURL=(\S+)$/gm;
    for (const [, module, map] of /[.](?:mjs|cjs|d[.]c?ts)$/.test(path) ? text.matchAll(inside) : []) {
      const target = join(dirname(path), module ?? map);
      // Declarations import one another by the names of modules that are not there.
      found.add(/[.]d[.]c?ts$/.test(path) ? target.replace(/[.](c?)js$/, '.d.$1ts') : target);
    }
  }
  return [...found];
}

/**
 * @param {Door} door
 * @returns {string[]}
 */
function targetsOf(door) {
  return typeof door === 'string' ? [door] : Object.values(door).flatMap(targetsOf);
}

/**
 * Nothing is missing and nothing superfluous.
 *
 * @param {import('./packed.mjs').Packed} packed
 * @param {Manifest} manifest
 * @param {(path: string) => string} read
 */
function checkContents({files, size}, {exports, main, module, types, unpkg, jsdelivr}, read) {
  const doors = [...Object.values(exports).flatMap(targetsOf), main, module, types, unpkg, jsdelivr];
  const expected = new Set([...PROSE, ...SCRIPTS, ...reachable(doors, read)]);
  const paths = files.map(({path}) => path);
  assert.deepEqual(paths.filter((path) => !isDocument(path)).sort(), [...expected].sort());
  const links = [...read('README.md').matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)|src="([^":]+)"/g)].map(
    ([, link, source]) => link ?? source,
  );
  assert.ok(links.length > 10, `${links.length} links in README.md`);
  assert.deepEqual(
    links.filter((link) => !paths.includes(link)),
    [],
    'links of the packed README.md',
  );
  for (const file of files) assert.ok(file.size > 0, `${file.path} is empty`);
  const bytes = gzipSync(read(SCRIPTS[0]), {level: 9}).length;
  assert.ok(bytes <= MOST_SCRIPT_BYTES, `${SCRIPTS[0]} has ${bytes} bytes after gzip, expected at most ${MOST_SCRIPT_BYTES}`);
  assert.ok(size <= MOST_PACKAGE_BYTES, `the package has ${kib(size)}, expected at most ${kib(MOST_PACKAGE_BYTES)}`);
}

/**
 * What a door imports must be there: a peer, and none that is optional but for the layers, whose users have it.
 *
 * @param {Manifest} manifest
 * @param {(path: string) => string} read
 */
function checkPeers({exports, peerDependencies, peerDependenciesMeta}, read) {
  for (const [door, targets] of Object.entries(exports)) {
    const code = reachable(targetsOf(targets), read).filter((path) => /[.][cm]js$/.test(path));
    const imported = code.flatMap((path) => [...read(path).matchAll(/(?:^import |\bfrom |\brequire\()["']([^."'][^"']*)["']/gm)]);
    if (door !== './package.json') assert.ok(imported.length > 0, `${door} imports nothing`);
    for (const [, name] of imported) {
      assert.ok(peerDependencies[name], `${door} imports ${name}, which is no peer dependency`);
      const mayBeMissing = peerDependenciesMeta[name]?.optional && !(door === './layers' && name === '@tensorflow/tfjs-layers');
      assert.ok(!mayBeMissing, `${door} imports ${name}, an optional peer dependency`);
    }
  }
}

/**
 * The names that a door of the sources exports, types left out.
 *
 * @param {string} path
 */
function sourceNames(path) {
  const blocks = readFileSync(join(ROOT, path), 'utf8').matchAll(/^export \{([^}]*)\}/gm);
  return [...blocks]
    .flatMap(([, names]) => names.split(',').map((name) => name.trim()))
    .filter((name) => name && !/^type /.test(name));
}

/**
 * Each door as an ES module and as CommonJS has the names of its source.
 *
 * @param {string} home
 * @param {string} installed
 * @param {Manifest} manifest
 */
async function checkModules(home, installed, {exports}) {
  const require = createRequire(join(home, 'index.js'));
  const sources = {'.': 'src/index.ts', './chained': null, './layers': 'src/layers/index.ts', './register': null};
  assert.deepEqual(Object.keys(exports), [...Object.keys(sources), './package.json']);
  for (const [door, source] of Object.entries(sources)) {
    const names = source === null ? [] : sourceNames(source).sort();
    const file = targetsOf(exports[door]).find((path) => path.endsWith('.mjs'));
    assert.ok(file, `${door} has no ES module`);
    const esm = await import(pathToFileURL(join(installed, file)).href);
    assert.deepEqual(Object.keys(esm).sort(), names, `${door} as an ES module`);
    assert.deepEqual(Object.keys(require(join('tfjs-splat', door))).sort(), names, `${door} as CommonJS`);
  }
}

/**
 * Runs the scripts as a page does, which has a global `tf` and no modules.
 *
 * @param {string} home
 * @param {(path: string) => string} read
 * @param {string[]} names
 */
function checkScripts(home, read, names) {
  const require = createRequire(join(home, 'index.js'));
  /** @param {string} path */
  const run = (path) => vm.runInThisContext(read(path), {filename: path});
  const tf = {...require('@tensorflow/tfjs-core'), ...require('@tensorflow/tfjs-converter')};
  const [core, extras, layers] = SCRIPTS;
  /** @type {typeof globalThis & {tf?: unknown}} */
  const page = globalThis;
  const global = (page.tf = {...tf});
  assert.throws(() => run(extras), /found no tfjs-splat[.]min[.]js of its build/);
  run(core);
  assert.equal(typeof global.sparseAttention, 'function');
  const {splat} = global;
  assert.deepEqual(Object.keys(splat).sort(), names.sort());
  for (const missing of ['planAttention', 'KvCache', 'sparseIOHandler', 'parsePattern', 'fromMask']) {
    const message = new RegExp(`^SplatError: ${missing}: found a page without tfjs-splat[.]extras[.]min[.]js`);
    assert.throws(() => splat[missing](), message);
    assert.throws(() => new splat[missing](), splat.SplatError);
  }
  assert.throws(() => run(layers), /found no tf[.]layers/);
  run(extras);
  assert.equal(splat.planAttention(splat.causal(), {queryLength: 4, keyLength: 4, headDim: 4}).nnz, 10);
  assert.equal(typeof splat.KvCache.prototype.attend, 'function');
  for (const name of names) assert.equal(typeof splat[name], 'function', `tf.splat.${name}`);
  Object.assign(global, require('@tensorflow/tfjs-layers'));
  run(layers);
  for (const name of sourceNames('src/layers/index.ts')) assert.equal(typeof splat[name], 'function', `tf.splat.${name}`);
  delete page.tf;
}

/**
 * No WebGPU type in the declarations, and no complaint of TypeScript about them that is not one about those of TensorFlow.js.
 *
 * @param {string} home
 * @param {Manifest} manifest
 * @param {(path: string) => string} read
 */
function checkTypes(home, {exports}, read) {
  const declarations = reachable(Object.values(exports).flatMap(targetsOf), read).filter((path) => /[.]d[.]c?ts$/.test(path));
  for (const path of declarations)
    assert.deepEqual([...new Set(read(path).match(/\bGPU[A-Z]\w*/g) ?? [])], [], `WebGPU types in ${path}`);
  const doors = Object.keys(exports).filter((door) => door !== './package.json');
  const source = doors.map((door) => `import '${join('tfjs-splat', door)}';\n`).join('');
  for (const file of ['doors.mts', 'doors.cts']) writeFileSync(join(home, file), source);
  const options = '--strict --noEmit --module node16 --target es2022 --pretty false doors.mts doors.cts'.split(' ');
  for (const compiler of ['typescript', 'typescript-7']) {
    let complaints = '';
    try {
      execFileSync('node', [join(ROOT, 'node_modules', compiler, 'bin/tsc'), ...options], {cwd: home, encoding: 'utf8'});
    } catch (error) {
      complaints = /** @type {{stdout: string}} */ (error).stdout;
      // Those of TensorFlow.js itself, which users silence by skipLibCheck: lines of another kind are no verdict.
      assert.match(complaints, /error TS\d+/);
    }
    const ours = complaints.split('\n').filter((line) => /^(node_modules[/]tfjs-splat|doors)/.test(line));
    assert.deepEqual(ours, [], compiler);
  }
}
