// `npm start`: builds the site, serves it and opens a browser. Without a terminal or a display, or with --headless, runs every page in a
// headless browser instead, prints a table and ends, with 1 when something is wrong.
import {spawn} from 'node:child_process';
import {parseArgs} from 'node:util';
import {ensureInstalled} from './ensure_installed.mjs';

const USAGE = `npm start -- [options]
  --headless       run every page in a headless browser, check it, print a table, end
  --browser <name> with --headless: chromium or firefox (default: both, where Firefox is there)
  --page <name>    with --headless: only this page (home, model, explain, weights, speed or swap)
  --pictures       with --headless: write docs/images/<page>.png, which the README shows
  --port <number>  serve on this port (default: any free one)`;

const options = readArguments();
ensureInstalled();
// Not at the top: these import packages that a bare clone has to install first.
const {buildDocs, buildSite, FOLDER, PAGES} = await import('./site_build.mjs');
const {serve} = await import('./site_serve.mjs');
const names = PAGES.map(({name}) => name);
if (options.page !== undefined && !names.includes(options.page))
  fail(`There is no page '${options.page}'; there are ${names.join(', ')}.`);
console.log('Building the site and its documentation…');
await Promise.all([buildSite(), buildDocs()]);
const headless = options.headless || !process.stdout.isTTY || !hasDisplay();
const {address, close} = await serve(FOLDER, Number(options.port ?? 0)).catch((error) => {
  if (error.code !== 'EADDRINUSE') throw error;
  return fail(`Port ${options.port} is taken. Name another, or none for any free one.`);
});
if (headless) {
  try {
    process.exitCode = (await checkHeadless()) ? 0 : 1;
  } finally {
    close();
  }
} else {
  console.log(`The site is at ${address}index.html (Ctrl+C ends)`);
  openBrowser(`${address}index.html`);
}

async function checkHeadless() {
  const {page: only, pictures = false, browser} = options;
  const {checkSite} = await import('./site_headless.mjs');
  const {checkDocs} = await import('./site_docs.mjs');
  const inChromium = async () => [
    await checkSite(address, {only, pictures}),
    only !== undefined || pictures || (await checkDocs(address)),
  ];
  const good = browser === 'firefox' || !(await inChromium()).includes(false);
  if (browser === 'chromium' || pictures) return good;
  const {findFirefox, whyNoFirefox} = await import('./firefox.mjs');
  const missing = whyNoFirefox();
  if (missing !== null) {
    console.log(missing);
    // On a machine of one's own Firefox is a choice; where everything has to be tested it is not.
    return good && browser !== 'firefox' && !process.env.CI;
  }
  const {checkSiteInFirefox} = await import('./site_firefox.mjs');
  return (await checkSiteInFirefox(findFirefox(), only)) && good;
}

function readArguments() {
  const text = /** @type {const} */ ({type: 'string'});
  const flag = /** @type {const} */ ({type: 'boolean'});
  try {
    const {values} = parseArgs({options: {browser: text, headless: flag, help: flag, pictures: flag, page: text, port: text}});
    if (values.help) {
      console.log(USAGE);
      process.exit(0);
    }
    const {browser = 'chromium', port} = values;
    if (!['chromium', 'firefox'].includes(browser)) throw new Error(`--browser is '${browser}' and must be chromium or firefox.`);
    if (port === undefined || (/^\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65535)) return values;
    throw new Error(`--port is '${port}' and must be a whole number from 1 to 65535.`);
  } catch (error) {
    return fail(/** @type {Error} */ (error).message);
  }
}

/**
 * Says how to do it right, and ends.
 *
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(`${message}\n${USAGE}`);
  process.exit(2);
}

function hasDisplay() {
  return process.platform !== 'linux' || Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
}

/**
 * Where no browser can be opened, the address printed above has to do.
 *
 * @param {string} url
 */
function openBrowser(url) {
  /** @type {Partial<Record<NodeJS.Platform, string[]>>} */
  const openers = {darwin: ['open'], win32: ['cmd', '/c', 'start', '']};
  const [command, ...args] = openers[process.platform] ?? ['xdg-open'];
  const child = spawn(command, [...args, url], {stdio: 'ignore', detached: true});
  child.on('error', () => {});
  child.unref();
}
