// `npm start`: builds the demo page, serves it and opens a browser. Without a terminal or a display, or with --headless, runs the page in
// a headless browser instead, prints its table, writes docs/images/demo.png and ends, with 1 when something did not agree.
import {spawn} from 'node:child_process';
import {mkdir} from 'node:fs/promises';
import {createServer} from 'node:http';
import {dirname, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {ensureInstalled} from './ensure_installed.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const USAGE = `npm start -- [options]
  --headless           run the page in a headless browser, print the table, write the screenshot, end
  --screenshot <file>  where to (default: docs/images/demo.png, which the README shows)
  --port <number>      serve on this port (default: any free one)
  --tokens <n>         length of the text the model reads, at most 16384
  --pattern <text>     the attention pattern, for instance "slidingWindow(left: 64) or globalTokens(8)"`;

const {values: options} = readArguments();
ensureInstalled();
// Not at the top: these import packages that a bare clone has to install first.
const {buildDemo, FOLDER} = await import('../demo/build.mjs');
console.log('Building the page and its model…');
await buildDemo();
const server = await serve(FOLDER, Number(options.port ?? 0)).catch((error) => {
  if (error.code !== 'EADDRINUSE') throw error;
  console.error(`Port ${options.port} is taken. Name another, or none for any free one.`);
  process.exit(1);
});
const address = `http://127.0.0.1:${server.address().port}/`;
if (options.headless || !process.stdout.isTTY || !hasDisplay()) {
  try {
    process.exitCode = (await runHeadless(address)) ? 0 : 1;
  } finally {
    server.close();
    server.closeAllConnections();
  }
} else {
  console.log(`The page is at ${address}${parameters()} (Ctrl+C ends)`);
  openBrowser(address + parameters());
}

function readArguments() {
  const text = {type: 'string'};
  try {
    const found = parseArgs({
      options: {headless: {type: 'boolean'}, help: {type: 'boolean'}, screenshot: text, port: text, tokens: text, pattern: text},
    });
    checkRange(found.values, 'port', 65535);
    checkRange(found.values, 'tokens', 16384);
    if (!found.values.help) return found;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exit(2);
  }
}

function checkRange(values, name, most) {
  const value = values[name];
  if (value === undefined || (/^\d+$/.test(value) && value >= 1 && value <= most)) return;
  throw new Error(`--${name} is '${value}' and must be a whole number from 1 to ${most}.`);
}

function parameters(extra = {}) {
  const {tokens, pattern} = options;
  const query = new URLSearchParams({...(tokens && {tokens}), ...(pattern && {pattern}), ...extra}).toString();
  return query && `?${query}`;
}

async function serve(folder, port) {
  const {default: sirv} = await import('sirv');
  const server = createServer(sirv(folder, {dev: true}));
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return server;
}

function hasDisplay() {
  return process.platform !== 'linux' || Boolean(process.env.DISPLAY || process.env.WAYLAND_DISPLAY);
}

/** Where no browser can be opened, the address printed above has to do. */
function openBrowser(url) {
  const [command, ...args] = {darwin: ['open'], win32: ['cmd', '/c', 'start', '']}[process.platform] ?? ['xdg-open'];
  const child = spawn(command, [...args, url], {stdio: 'ignore', detached: true});
  child.on('error', () => {});
  child.unref();
}

async function runHeadless(url) {
  const {chromium} = await import('playwright-core');
  const {findBrowser} = await import('./browser.mjs');
  const browser = await chromium.launch({...findBrowser(), headless: true});
  try {
    const page = await browser.newPage({viewport: {width: 1200, height: 900}, colorScheme: 'light'});
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('requestfailed', (request) => complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
    await page.goto(url + parameters({run: ''}));
    const result = await followRuns(page);
    const path = resolve(options.screenshot ?? `${ROOT}docs/images/demo.png`);
    await mkdir(dirname(path), {recursive: true});
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({path, fullPage: true});
    printResult(result);
    for (const complaint of complaints) console.error(`The page complains: ${complaint}`);
    return result.ok && complaints.length === 0;
  } finally {
    await browser.close();
  }
}

/** Prints each step as it begins and returns what the page found. */
async function followRuns(page) {
  let shown = '';
  for (const end = Date.now() + 10 * 60_000; Date.now() < end; await page.waitForTimeout(500)) {
    const {step, result} = await page.evaluate(() => ({
      step: document.getElementById('step').textContent,
      result: window.demoResult,
    }));
    if (result) return result;
    if (step !== shown) console.log(`  ${(shown = step)}`);
  }
  throw new Error(`The page did not finish within ten minutes; it was at: ${shown}`);
}

function printResult({machine, tokens, pattern, table, verdicts}) {
  console.log(`\n${machine}\n${tokens} tokens, ${pattern}\n`);
  if (table.length > 0) printTable(table);
  for (const {state, text} of verdicts) console.log(`${{good: '✓', bad: '✗', open: '–'}[state]} ${text}`);
}

function printTable(table) {
  const head = ['run', 'median', 'first run', 'on the GPU', 'attention', 'peak memory', 'against the model as it is'];
  const rows = table.map((run) => [run.title, run.median, run.first, run.gpu, run.attention, run.peak, run.reason || run.ratio]);
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column].length)));
  for (const row of [head, ...rows]) {
    // Words to the left, numbers to the right.
    const cells = row.map((cell, i) => (i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])));
    console.log(cells.join('  ').trimEnd());
  }
  console.log('');
}
