// The GPU process of the browser crashes under a page that computes, and the page comes back by itself: test/gpu_crash/page.ts.
import assert from 'node:assert/strict';
import {openPage} from './open_page.mjs';

const {browser, page} = await openPage('test/gpu_crash/page.ts');
try {
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
