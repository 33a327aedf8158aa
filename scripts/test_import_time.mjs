// What `import 'tfjs-splat'` costs at start-up, over fresh processes and pages, beside TensorFlow.js itself, which is loaded just before it.
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {createServer} from 'node:http';
import {promisify} from 'node:util';
import {chromium} from 'playwright-core';
import sirv from 'sirv';
import {findBrowser} from './browser.mjs';
import {listen} from './listen.mjs';
import {withPackedPackage} from './packed.mjs';

const RUNS = 11;
/** Of the time that TensorFlow.js takes in the same process or page: on a slow or busy machine both take longer. Found: .13 (import in Node) to .94 (import in a page, 5 ms). */
const MOST_SHARE = 1.3;

const tensorflow = ['core', 'converter'].map((name) => `@tensorflow/tfjs-${name}`);

await withPackedPackage(async ({home}) => {
  /** @type {Record<string, Loaded[]>} */
  const found = {'import in Node': await inNode(home, 'import'), 'require in Node': await inNode(home, 'require')};
  const server = createServer(sirv(home, {dev: true}));
  const address = await listen(server);
  const browser = await chromium.launch({...findBrowser(), headless: true});
  try {
    found['script tag'] = await inPages(browser, address, scriptTag);
    found['import in a page'] = await inPages(browser, address, importInPage);
  } finally {
    await browser.close();
    server.close();
  }
  for (const [where, loads] of Object.entries(found)) {
    const share = median(loads.map(({ours, tensorflow}) => ours / tensorflow));
    console.log(`${where}: ${median(loads.map(({ours}) => ours)).toFixed(1)} ms, ${share.toFixed(2)} of what TensorFlow.js takes`);
    assert.ok(share <= MOST_SHARE, `${where} takes ${share} of the time of TensorFlow.js, expected at most ${MOST_SHARE}`);
  }
});

/** @param {readonly number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}

/**
 * @typedef Loaded milliseconds
 * @property {number} ours
 * @property {number} tensorflow
 */

/**
 * @param {string} home
 * @param {'import' | 'require'} how
 */
async function inNode(home, how) {
  /** @param {string} name */
  const load = (name) => (how === 'import' ? `await import('${name}');` : `require('${name}');`);
  const program = `const start = performance.now(); ${tensorflow.map(load).join('')}
    const loaded = performance.now(); ${load('tfjs-splat')}
    console.log(JSON.stringify({tensorflow: loaded - start, ours: performance.now() - loaded}));`;
  const type = how === 'import' ? 'module' : 'commonjs';
  const times = [];
  for (let i = 0; i < RUNS; i++) {
    const {stdout} = await promisify(execFile)('node', [`--input-type=${type}`, '-e', program], {cwd: home});
    times.push(/** @type {Loaded} */ (JSON.parse(stdout)));
  }
  return times;
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} address
 * @param {() => Promise<Loaded>} measure runs in a page.
 */
async function inPages(browser, address, measure) {
  const times = [];
  for (let i = 0; i < RUNS; i++) {
    const page = await browser.newPage();
    await page.goto(`${address}/node_modules/tfjs-splat/LICENSE`);
    times.push(await page.evaluate(measure));
    await page.close();
  }
  return times;
}

/** Runs in a page: the time that a script takes to compile and run once it has arrived. */
async function scriptTag() {
  /** @param {string} text */
  const run = (text) => {
    const script = document.createElement('script');
    script.textContent = text;
    const start = performance.now();
    document.head.append(script);
    return performance.now() - start;
  };
  /** @param {string} path */
  const read = async (path) => (await fetch(`/node_modules/${path}`)).text();
  let tensorflow = 0;
  for (const name of ['core', 'converter']) tensorflow += run(await read(`@tensorflow/tfjs-${name}/dist/tf-${name}.min.js`));
  const ours = run(await read('tfjs-splat/dist/tfjs-splat.min.js'));
  const {tf} = /** @type {Window & {tf?: {sparseAttention?: unknown}}} */ (window);
  if (typeof tf?.sparseAttention !== 'function') throw new Error('the script did nothing');
  return {tensorflow, ours};
}

/** Runs in a page: the time of imports whose files the page has fetched before. */
async function importInPage() {
  const map = document.createElement('script');
  map.type = 'importmap';
  const tensorflow = ['core', 'converter'].map((name) => [
    `@tensorflow/tfjs-${name}`,
    `/node_modules/@tensorflow/tfjs-${name}/dist/tf-${name}.fesm.js`,
  ]);
  map.textContent = JSON.stringify({imports: Object.fromEntries(tensorflow)});
  document.head.append(map);
  const ours = ['', '.shared', '.patterns'].map((part) => `/node_modules/tfjs-splat/dist/tfjs-splat${part}.mjs`);
  const preloads = [...tensorflow.map(([, file]) => file), ...ours].map((href) => {
    const link = Object.assign(document.createElement('link'), {rel: 'modulepreload', href});
    document.head.append(link);
    return new Promise((resolve, reject) => Object.assign(link, {onload: resolve, onerror: reject}));
  });
  await Promise.all(preloads);
  const start = performance.now();
  for (const [name] of tensorflow) await import(name);
  const loaded = performance.now();
  const {sparseAttention} = await import(ours[0]);
  const end = performance.now();
  if (typeof sparseAttention !== 'function') throw new Error('the module is empty');
  return {tensorflow: loaded - start, ours: end - loaded};
}
