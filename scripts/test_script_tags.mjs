// The script-tag bundle in a real page, after the script tags of TensorFlow.js: `tf.sparseAttention` on WebGPU, patterns in `tf.splat`.
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {join} from 'node:path';
import {chromium} from 'playwright-core';
import {findBrowser} from './browser.mjs';
import {ROOT} from './steps.mjs';

const SCRIPTS = [
  'node_modules/@tensorflow/tfjs/dist/tf.min.js',
  'node_modules/@tensorflow/tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js',
  'dist/tfjs-splat.min.js',
];
const PAGE = `<!doctype html><title>script tags</title>${SCRIPTS.map((path) => `<script src="/${path}"></script>`).join('')}`;

// Two minutes for a page that takes seconds.
setTimeout(() => {
  console.error('The page did not finish.');
  process.exit(1);
}, 120_000).unref();

const server = createServer(async (request, response) => {
  const path = SCRIPTS.find((script) => request.url === `/${script}`);
  response.setHeader('content-type', path ? 'text/javascript' : 'text/html');
  response.end(path ? await readFile(join(ROOT, path)) : PAGE);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launch({...findBrowser(), headless: true});
try {
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const found = await page.evaluate(attendInPage);
  assert.deepEqual(errors, []);
  assert.equal(found.backend, 'webgpu');
  assert.ok(found.error <= 1e-5, `tf.sparseAttention is ${found.error} away from dense attention`);
  console.log(`tf.sparseAttention in a page: largest difference from dense attention ${found.error}`);
} finally {
  await browser.close();
  server.close();
}

/** Runs in the page: a causal window by script tag, against the same written with the ops of TensorFlow.js. */
async function attendInPage() {
  const {tf} = globalThis;
  await tf.setBackend('webgpu');
  const shape = [1, 2, 40, 16];
  const [query, key, value] = [1, 2, 3].map((seed) => tf.randomNormal(shape, 0, 1, 'float32', seed));
  const pattern = tf.splat.slidingWindow({left: 7, right: 0});
  const sparse = tf.sparseAttention(query, key, value, pattern);
  const distance = tf.sub(tf.range(0, 40).expandDims(1), tf.range(0, 40));
  const hidden = tf.logicalOr(tf.less(distance, 0), tf.greater(distance, 7));
  const scores = tf.add(tf.mul(tf.matMul(query, key, false, true), 1 / Math.sqrt(16)), tf.mul(tf.cast(hidden, 'float32'), -1e9));
  const dense = tf.matMul(tf.softmax(scores), value);
  const [a, b] = await Promise.all([sparse.data(), dense.data()]);
  // NaN must not pass for agreement.
  const error = a.reduce((worst, x, i) => (Math.abs(x - b[i]) <= worst ? worst : Math.abs(x - b[i])), 0);
  return {backend: tf.getBackend(), error: Number.isNaN(error) ? Infinity : error};
}
