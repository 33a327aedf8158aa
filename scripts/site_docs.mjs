// Looks at the documentation that `npm run docs` wrote beside the site: no page is wider than a phone, and the search finds what readers ask for.
import {readdir} from 'node:fs/promises';
import {findBrowser} from './browser.mjs';
import {FOLDER} from './site_build.mjs';

const PHONE = {width: 390, height: 844};
/** What somebody with a question types, and the page that answers it. */
const QUESTIONS = {
  padding: 'Coming from Hugging Face, Keras or FlexAttention',
  install: 'tfjs-splat',
  safari: 'Limits and where it runs',
  blhd: 'SparseAttentionOptions',
};

/**
 * Prints a line.
 *
 * @param {string} address Where the site is served.
 * @returns {Promise<boolean>} whether all is well
 */
export async function checkDocs(address) {
  const {chromium} = await import('playwright-core');
  const browser = await chromium.launch({...findBrowser(), headless: true});
  /** @type {string[]} */
  const complaints = [];
  try {
    const page = await browser.newPage({viewport: PHONE});
    page.on('pageerror', (error) => complaints.push(`uncaught: ${error.stack}`));
    page.on('console', (message) => message.type() === 'error' && complaints.push(`${page.url()}: ${message.text()}`));
    const names = (await readdir(`${FOLDER}/api`, {recursive: true})).filter((name) => name.endsWith('.html'));
    for (const name of names) {
      await page.goto(`${address}api/${encodeURI(name)}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) complaints.push(`${name} is ${wide} px wider than a window of ${PHONE.width}`);
    }
    for (const [word, title] of Object.entries(QUESTIONS)) {
      const found = await search(page, `${address}api/index.html`, word);
      if (!found.some((text) => text.includes(title)))
        complaints.push(`search for '${word}' finds ${found.join(' | ') || 'nothing'}`);
    }
    console.log(
      `${complaints.length === 0 ? '✓' : '✗'} documentation: ${names.length} pages, ${Object.keys(QUESTIONS).length} searches`,
    );
    for (const complaint of complaints) console.error(`    ${complaint}`);
  } finally {
    await browser.close();
  }
  return complaints.length === 0;
}

/**
 * The titles that the search of the documentation offers for a word.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} url
 * @param {string} word
 */
async function search(page, url, word) {
  await page.goto(url);
  await page.click('#tsd-search-trigger');
  await page.fill('#tsd-search-input', word);
  await page
    .waitForFunction(() => document.querySelectorAll('#tsd-search-results li').length > 0, null, {timeout: 10_000})
    .catch(() => {});
  return page.$$eval('#tsd-search-results li', (items) => items.map((item) => (item.textContent ?? '').trim()));
}
