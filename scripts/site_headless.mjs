// Runs every page of the site in a headless browser: does its work at small sizes, listens for complaints, looks for accessibility
// errors and overflow in both themes on a desk and on a phone.
import {existsSync} from 'node:fs';
import {mkdir, readdir, readFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {findBrowser} from './browser.mjs';
import {FOLDER, pathOf, PAGES} from './site_build.mjs';
import {ROOT} from './steps.mjs';

const PICTURES = `${ROOT}docs/images`;
/** For whoever wants to look: every page in both themes and widths. */
const SHOTS = `${ROOT}node_modules/.cache/tfjs-splat/site`;
const DESK = {width: 1200, height: 900};
const PHONE = {width: 390, height: 844};
const LOOKS = /** @type {const} */ (['light', 'dark']).flatMap((theme) => [DESK, PHONE].map((viewport) => ({theme, viewport})));
/** Pages that compute have to do it without WebGPU, too. */
const COMPUTING = ['model', 'weights', 'speed', 'swap'];
const MINUTES = 8;

/**
 * Prints a line for each visit.
 *
 * @param {string} address Where the site is served.
 * @param {{only?: string, pictures: boolean}} options `only`: the name of one page.
 * @returns {Promise<boolean>} whether all is well
 */
export async function checkSite(address, {only, pictures}) {
  const {chromium} = await import('playwright-core');
  const browser = await chromium.launch({...findBrowser(), headless: true});
  await mkdir(SHOTS, {recursive: true});
  const pages = PAGES.filter(({name}) => only === undefined || name === only).map(({name}) => name);
  const visits = [
    ...pages.map((name) => ({name, gpu: true})),
    ...pages.filter((name) => !pictures && COMPUTING.includes(name)).map((name) => ({name, gpu: false})),
  ];
  let good = true;
  try {
    for (const visit of visits) {
      const start = Date.now();
      /** @type {string[]} */
      const complaints = [];
      const summary = await visitPage(browser, address, visit, pictures, complaints).catch((error) => {
        if (!complaints.includes(error.message)) complaints.push(error.message);
        return 'broke off';
      });
      const seconds = `${((Date.now() - start) / 1000).toFixed(0)} s`;
      const title = `${visit.name}${visit.gpu ? '' : ', no WebGPU'}`;
      console.log(`${complaints.length === 0 ? '✓' : '✗'} ${title.padEnd(20)} ${seconds.padStart(5)}  ${summary}`);
      for (const complaint of complaints) console.error(`    ${complaint}`);
      good &&= complaints.length === 0;
    }
  } finally {
    await browser.close();
  }
  return good;
}

/**
 * @param {import('playwright-core').Browser} browser
 * @param {string} address
 * @param {{name: string, gpu: boolean}} visit
 * @param {boolean} pictures
 * @param {string[]} complaints
 */
async function visitPage(browser, address, {name, gpu}, pictures, complaints) {
  const context = await browser.newContext({viewport: DESK, colorScheme: 'light'});
  try {
    if (!gpu) await context.addInitScript(() => delete Object.getPrototypeOf(navigator).gpu);
    const page = await context.newPage();
    /** @type {Promise<never>} */
    const broken = new Promise((_, reject) => page.on('pageerror', (error) => reject(new Error(`uncaught: ${error.stack}`))));
    // Whoever waits hears of it; later it is one more complaint.
    broken.catch((error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(`console: ${message.text()}`));
    page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
    // For a picture at the sizes that a reader would see.
    await page.goto(`${address}${pathOf(name)}?${pictures ? 'run' : 'quick'}`);
    await Promise.race([finished(page), broken]);
    const {ok, summary} = await page.evaluate(() => /** @type {NonNullable<Window['pageResult']>} */ (window.pageResult));
    if (!ok) complaints.push(summary);
    if (!gpu) return summary;
    if (pictures && name !== 'home') {
      await mkdir(PICTURES, {recursive: true});
      await page.screenshot({path: `${PICTURES}/${name}.png`, fullPage: true});
    }
    await look(page, name, complaints);
    await lookAtRest(page, `${address}${pathOf(name)}`, name, complaints);
    await checkLinks(page, address, complaints);
    return summary;
  } finally {
    await context.close();
  }
}

/**
 * The page before anything was done, or with something wrong.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} url
 * @param {string} name
 * @param {string[]} complaints
 */
async function lookAtRest(page, url, name, complaints) {
  const wrong = '#pattern=slidingWindow(left+3)';
  await page.goto('about:blank');
  await page.goto(name === 'explain' ? url + wrong : url);
  await page.waitForSelector('[data-ready]', {timeout: 60_000});
  await checkKeyboard(page, complaints);
  await look(page, `${name}-rest`, complaints);
  if (name === 'speed') await checkStop(page);
  if (name === 'swap') await checkFiles(page);
}

/**
 * A reader who has waited long enough.
 *
 * @param {import('playwright-core').Page} page
 */
async function checkStop(page) {
  await page.click('#run');
  await page.click('#cancel');
  await page.waitForFunction(() => document.getElementById('step')?.textContent === 'stopped', null, {timeout: 60_000});
  await page.waitForSelector('#run:visible', {timeout: 5000});
}

/**
 * Files from the reader's disk.
 *
 * @param {import('playwright-core').Page} page
 */
async function checkFiles(page) {
  const folder = `${FOLDER}/swap/example`;
  const files = (await readdir(folder)).map((file) => `${folder}/${file}`);
  await page.setInputFiles('#files', files);
  await page.waitForFunction(() => document.getElementById('loaded')?.textContent?.startsWith('Loaded: model.json; '), null, {
    timeout: 10_000,
  });
}

/** @param {import('playwright-core').Page} page */
async function finished(page) {
  for (const end = Date.now() + MINUTES * 60_000; Date.now() < end; await page.waitForTimeout(200)) {
    if (await page.evaluate(() => window.pageResult !== undefined)) return;
  }
  const step = await page.evaluate(() => document.getElementById('step')?.textContent ?? '');
  throw new Error(`not done after ${MINUTES} minutes; it was at: ${step}`);
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} name
 * @param {string[]} complaints
 */
async function look(page, name, complaints) {
  await page.evaluate(await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
  // What a fold hides has to be accessible, too.
  await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = true)));
  for (const {theme, viewport} of LOOKS) {
    const where = `${theme}, ${viewport.width} px`;
    await page.emulateMedia({colorScheme: theme});
    await page.setViewportSize(viewport);
    await settle(page);
    const {found, wide} = await page.evaluate(async () => ({
      found: (await window.axe.run()).violations.flatMap(({id, help, nodes}) =>
        nodes.map(({target, any}) => `${id} at ${target.join(' ')}: ${any[0]?.message ?? help}`),
      ),
      wide: document.documentElement.scrollWidth - innerWidth,
    }));
    complaints.push(...found.map((violation) => `accessibility, ${where}: ${violation}`));
    if (wide > 0) complaints.push(`${where}: the page is ${wide} px wider than the window`);
    await page.evaluate(() => document.querySelectorAll('details').forEach((details) => (details.open = false)));
    await settle(page);
    await page.screenshot({path: `${SHOTS}/${name}-${theme}-${viewport.width}.png`, fullPage: true});
  }
}

/**
 * Charts are drawn anew when their width has changed.
 *
 * @param {import('playwright-core').Page} page
 */
const settle = (page) => page.evaluate(() => new Promise((resolve) => setTimeout(() => requestAnimationFrame(resolve), 200)));

/**
 * @param {import('playwright-core').Page} page
 * @param {string} address
 * @param {string[]} complaints
 */
async function checkLinks(page, address, complaints) {
  const targets = await page.evaluate(() => [...document.querySelectorAll('a')].flatMap(({href}) => href.replace(/#.*/, '') || []));
  for (const target of new Set(targets)) {
    if (!target.startsWith(address)) complaints.push(`links away from the site: ${target}`);
    else if (!existsSync(`${FOLDER}/${target.slice(address.length).replace(/\?.*/, '')}`))
      complaints.push(`a dead link: ${target}`);
  }
}

/**
 * By keyboard: the first Tab reaches the skip link, and the button in the header changes the theme.
 *
 * @param {import('playwright-core').Page} page
 * @param {string[]} complaints
 */
async function checkKeyboard(page, complaints) {
  await page.keyboard.press('Tab');
  if (!(await page.evaluate(() => document.activeElement?.matches('.skip'))))
    complaints.push('Tab does not reach the skip link first');
  const before = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.locator('#theme').press('Enter');
  const after = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  if (before === after) complaints.push('the theme button changes nothing');
  await page.locator('#theme').press('Enter');
  await page.evaluate(() => {
    localStorage.removeItem('theme');
    document.documentElement.dataset.theme = '';
  });
}
