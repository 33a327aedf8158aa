// A page of TypeScript in a headless Chromium, for tests of what a browser does around WebGPU.
import {join} from 'node:path';
import {build} from 'esbuild';
import {chromium} from 'playwright-core';
import {findBrowser} from './browser.mjs';
import {ROOT} from './steps.mjs';

/**
 * @param {string} entry The script of the page, from the project's root.
 * @returns {Promise<{browser: import('playwright-core').Browser, page: import('playwright-core').Page}>} Whoever opens it closes the browser.
 */
export async function openPage(entry) {
  const {outputFiles} = await build({
    entryPoints: [join(ROOT, entry)],
    bundle: true,
    format: 'iife',
    target: 'es2022',
    write: false,
    logLevel: 'warning',
  });
  const browser = await chromium.launch({...findBrowser(), headless: true});
  const page = await browser.newPage();
  // No server: WebGPU only asks that the page come from a local address.
  await page.route('**/*', (route) => {
    if (new URL(route.request().url()).pathname === '/page.js') {
      return route.fulfill({contentType: 'text/javascript', body: outputFiles[0]?.text ?? ''});
    }
    return route.fulfill({contentType: 'text/html', body: '<!doctype html><title>A test</title><script src="page.js"></script>'});
  });
  await page.goto('http://127.0.0.1/');
  return {browser, page};
}
