// Calls that take seconds, one after another, on a CPU that plays GPU: test/long_calls/page.ts. `--n 32768 --calls 1` takes minutes.
import assert from 'node:assert/strict';
import {parseArgs} from 'node:util';
import {openPage} from './open_page.mjs';

const {values} = parseArgs({options: {n: {type: 'string', default: '4096'}, calls: {type: 'string', default: '4'}}});
/** The longest that a page may stand still. */
const MOST_PAUSE_MS = 1000;
const MINUTES = 20;

const {browser, page} = await openPage('test/long_calls/page.ts');
try {
  await page.waitForFunction(() => window.run !== undefined);
  await page.evaluate(({n, calls}) => void window.run?.(n, calls), {n: Number(values.n), calls: Number(values.calls)});
  await page.waitForFunction(() => window.told !== undefined, undefined, {timeout: 60_000 * MINUTES, polling: 200});
  const told = await page.evaluate(() => window.told);
  assert.ok(told !== undefined);
  assert.equal(told.error, null);
  assert.deepEqual(told.losses, []);
  assert.ok(told.largestError < 1e-5, `the largest error is ${told.largestError}`);
  assert.ok(told.longestPause < MOST_PAUSE_MS, `the page stood still for ${told.longestPause} ms`);
  assert.ok(told.ticks > 10, `${told.ticks} ticks of the page's clock`);
  // The first call knows nothing of the device, the others are cut by what it took.
  assert.ok(told.submits > 3 * Number(values.calls), `${told.submits} submits`);
  assert.ok(told.longestWork < 8 * told.most, `${told.longestWork} ms between two submits that were done, ${told.most} are wanted`);
  const seconds = (told.took / 1000).toFixed(1);
  console.log(
    `${values.calls} calls of causal n = ${values.n} in ${seconds} s: ${told.submits} submits, the longest ${Math.round(told.longestWork)} ms; ` +
      `the page stood still for at most ${Math.round(told.longestPause)} ms.`,
  );
} finally {
  await browser.close();
}
