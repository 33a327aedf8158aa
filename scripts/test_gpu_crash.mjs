// The GPU process of the browser crashes under a page that computes, and the page comes back by itself: test/gpu_crash/page.ts.
import assert from 'node:assert/strict';
import {join} from 'node:path';
import {build} from 'esbuild';
import {chromium} from 'playwright-core';
import {findBrowser} from './browser.mjs';
import {ROOT} from './steps.mjs';

const {outputFiles} = await build({
  entryPoints: [join(ROOT, 'test/gpu_crash/page.ts')],
  bundle: true,
  format: 'iife',
  target: 'es2022',
  write: false,
  logLevel: 'warning',
});

const browser = await chromium.launch({...findBrowser(), headless: true});
try {
  const page = await browser.newPage();
  // No server: WebGPU only asks that the page come from a local address.
  await page.route('**/*', (route) => {
    if (new URL(route.request().url()).pathname === '/page.js') {
      return route.fulfill({contentType: 'text/javascript', body: outputFiles[0].text});
    }
    return route.fulfill({contentType: 'text/html', body: '<!doctype html><title>A crash</title><script src="page.js"></script>'});
  });
  await page.goto('http://127.0.0.1/');
  /** @param {number} starts */
  const until = (starts) =>
    page.waitForFunction((count) => window.page && window.page.starts.length >= count, starts, {timeout: 60_000});
  await until(1);
  const crashed = performance.now();
  await (await browser.newBrowserCDPSession()).send('Browser.crashGpuProcess');
  await until(2);
  const milliseconds = Math.round(performance.now() - crashed);

  const {starts, losses, old} = await page.evaluate(() => {
    const {starts = [], losses = [], useOld} = window.page ?? {};
    return {starts, losses, old: useOld?.() ?? ''};
  });
  assert.deepEqual(starts, ['1 1.5 2 2.5', '1 1.5 2 2.5']);
  assert.equal(losses.length, 1);
  assert.equal(JSON.parse(losses[0]).reason, 'unknown');
  assert.match(old, /^SplatError: WebGPU device: found a lost one/);
  console.log(`The GPU process crashed; ${milliseconds} ms later the page computed again, with right numbers.`);
} finally {
  await browser.close();
}
