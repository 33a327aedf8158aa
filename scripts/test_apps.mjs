// Small apps as strangers write them (test/apps), built with the real tools against the packed package, run in headless Chromium and in
// Node. A page has passed when its text begins with "ok" and its console had no error. `node scripts/test_apps.mjs vite` runs one.
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {cpSync} from 'node:fs';
import {createServer} from 'node:http';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {promisify} from 'node:util';
import {chromium} from 'playwright-core';
import sirv from 'sirv';
import {findBrowser} from './browser.mjs';
import {listen} from './listen.mjs';
import {withPackedPackage} from './packed.mjs';
import {PROGRAMS} from '../test/apps/docs/programs.mjs';
import {ROOT} from './steps.mjs';

const run = promisify(execFile);
/**
 * @param {string} path
 * @param {string[]} args
 */
const tool = (path, ...args) => ['node', join(ROOT, 'node_modules', path), ...args];
/**
 * @param {string} compiler
 * @param {'node16' | 'esnext'} module
 */
const tsc = (compiler, module) => {
  const resolution = module === 'esnext' ? ['--moduleResolution', 'bundler'] : [];
  const options = [
    '--strict',
    '--exactOptionalPropertyTypes',
    '--skipLibCheck',
    '--noEmit',
    '--target',
    'es2022',
    '--module',
    module,
    ...resolution,
  ];
  return tool(`${compiler}/bin/tsc`, ...options, 'user.ts');
};

/**
 * What makes each app and what runs it (in its folder), and the pages of it that are opened.
 *
 * @type {Record<string, {build: string[][], pages: string[], run?: string[][]}>}
 */
const APPS = {
  vite: {build: [tool('vite/bin/vite.js', 'build', '--logLevel', 'warn')], pages: ['dist/index.html']},
  webpack: {build: [tool('webpack-cli/bin/cli.js', '--stats', 'errors-warnings')], pages: ['index.html']},
  esbuild: {
    build: [
      [
        join(ROOT, 'node_modules/esbuild/bin/esbuild'),
        'main.js',
        '--bundle',
        '--minify',
        '--format=esm',
        '--outdir=dist',
        '--log-level=warning',
      ],
    ],
    pages: ['index.html', 'index.html#without-webgpu'],
  },
  import_map: {build: [], pages: ['index.html']},
  script_tags: {build: [], pages: ['index.html', 'extras.html', 'core.html']},
  worker: {build: [tool('vite/bin/vite.js', 'build', '--logLevel', 'warn')], pages: ['dist/index.html']},
  node: {
    build: [],
    pages: [],
    run: ['module.mjs', 'script.cjs', 'two_copies.mjs', 'train_core_alone.mjs'].map((file) => ['node', file]),
  },
  // The code blocks of README and guides, as they stand.
  docs: {
    build: [
      [
        'node',
        '--import',
        pathToFileURL(join(ROOT, 'node_modules/tsx/dist/loader.mjs')).href,
        join(ROOT, 'test/apps/docs/build.ts'),
        ROOT,
      ],
    ],
    pages: [...PROGRAMS.map(({name}) => `dist/${name}.html`), 'dist/script_tags.html', 'dist/react.html', 'dist/worker_page.html'],
    run: PROGRAMS.filter((program) => program.process).map(({name}) => ['node', `${name}.mjs`]),
  },
  types: {
    build: ['typescript', 'typescript-7'].flatMap((compiler) => [tsc(compiler, 'node16'), tsc(compiler, 'esnext')]),
    pages: [],
  },
};

// Ten times what they take.
setTimeout(() => {
  console.error('The apps did not finish.');
  process.exit(1);
}, 600_000).unref();

const chosen = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(APPS);
/** @type {string[]} */
const failures = [];

await withPackedPackage(async ({home}) => {
  cpSync(join(ROOT, 'test/apps'), join(home, 'apps'), {recursive: true});
  const server = createServer(sirv(home, {dev: true, dotfiles: true}));
  const address = await listen(server);
  const browser = await chromium.launch({...findBrowser(), headless: true});
  try {
    // Tools and shader compiler take a core each.
    let built = build(home, chosen[0]);
    for (const [index, name] of chosen.entries()) {
      const ready = built;
      const next = () => (index + 1 < chosen.length ? build(home, chosen[index + 1]) : []);
      built = ready.then(next, next);
      built.catch(() => {});
      await report(name, async () => {
        const output = await ready;
        const texts = [];
        // One after the other: ten pages that compile shaders at once took the GPU process down.
        for (const page of APPS[name].pages) texts.push(await open(browser, `${address}/apps/${name}/${page}`));
        return [...output, ...texts];
      });
    }
  } finally {
    await browser.close();
    server.close();
  }
});
assert.deepEqual(failures, []);

/**
 * @param {string} name
 * @param {() => Promise<string[]>} test what it prints.
 */
async function report(name, test) {
  const start = performance.now();
  let lines;
  try {
    lines = await test();
  } catch (error) {
    failures.push(name);
    const {stack = '', stdout = '', stderr = ''} = /** @type {Error & {stdout?: string, stderr?: string}} */ (error);
    lines = [stack, stdout, stderr];
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log([`${name} (${seconds} s)`, ...lines.map((line) => line.trim()).filter(Boolean)].join('\n  '));
}

/**
 * Builds an app and runs its programs; what programs print must begin with "ok". Tools must not warn.
 *
 * @param {string} home
 * @param {string} name
 */
async function build(home, name) {
  const cwd = join(home, 'apps', name);
  /** @type {string[]} */
  const lines = [];
  for (const [file, ...args] of APPS[name].build) {
    const {stdout, stderr} = await run(file, args, {cwd});
    assert.doesNotMatch(`${stdout}${stderr}`, /warn|error|[(]!/i);
  }
  for (const [file, ...args] of APPS[name].run ?? []) {
    const {stdout} = await run(file, args, {cwd});
    lines.push(stdout.split('\n').find((line) => line.startsWith('ok')) ?? assert.fail(stdout));
  }
  return lines;
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} address
 */
async function open(browser, address) {
  const page = await browser.newPage();
  /** @type {string[]} */
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  /** @type {Promise<never>} */
  const failed = new Promise((_, reject) => {
    const tell = () => errors.length > 0 && reject(new Error([address, ...errors].join('\n')));
    page.on('pageerror', tell);
    page.on('console', tell);
  });
  const withoutGpu = address.endsWith('#without-webgpu');
  if (withoutGpu) await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, 'gpu'));
  await page.goto(address);
  const shown = page.waitForFunction(() => document.querySelector('output')?.textContent, null, {timeout: 120_000});
  const text = String(await (await Promise.race([shown, failed])).jsonValue());
  await page.close();
  assert.equal(errors.join('\n'), '');
  assert.match(text.trim(), withoutGpu ? /^ok on cpu/ : /^ok/, address);
  return text;
}
