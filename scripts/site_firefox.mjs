// Opens every page of the site in headless Firefox, lets it do its work at small sizes, and listens for complaints. How pages look and
// whom they exclude is checked in Chromium, see site_headless.mjs.
import {readFile} from 'node:fs/promises';
import {openFirefox} from './firefox.mjs';
import {FOLDER, pathOf, PAGES} from './site_build.mjs';
import {PREFIX, siteFiles} from './site_serve.mjs';
import {ALIVE, listenToPages, TELL} from './told_pages.mjs';

const MINUTES = 8;
/** A page says every second that it lives; a kernel of software may hold it up for long. */
const SILENCE = 180;

/**
 * What a page says.
 *
 * @typedef {{kind: 'complaint', text: string}
 *   | {kind: 'lives', step: string}
 *   | {kind: 'done', ok: boolean, summary: string}} Told
 */

/**
 * Runs before all scripts of a page.
 *
 * @param {{tellPath: string, alivePath: string, minutes: number}} told
 */
function listener({tellPath, alivePath, minutes}) {
  /** @param {Told} message */
  const tell = (message) => void navigator.sendBeacon(tellPath, JSON.stringify(message));
  /** @param {string} text */
  const complain = (text) => tell({kind: 'complaint', text});
  // It breaks when the page's process does.
  void fetch(alivePath).then((response) => response.text());
  const print = console.error;
  console.error = (...words) => {
    complain(`console: ${words.map((word) => word?.stack ?? String(word)).join(' ')}`);
    print.apply(console, words);
  };
  // While capturing, because files that do not load tell their element alone.
  /** @param {{message?: string, target: (EventTarget & {src?: string, href?: string}) | null}} event */
  const toldOf = ({message, target}) => message ?? `did not load: ${target?.src ?? target?.href}`;
  addEventListener('error', (event) => complain(toldOf(event)), true);
  addEventListener('unhandledrejection', ({reason}) => complain(`uncaught: ${reason?.stack ?? reason}`));
  const start = Date.now();
  const clock = setInterval(() => {
    const step = document.getElementById('step')?.textContent ?? '';
    const late = Date.now() - start > minutes * 60_000;
    if (window.pageResult === undefined && !late) {
      tell({kind: 'lives', step});
      return;
    }
    clearInterval(clock);
    const {ok, summary} = window.pageResult ?? {ok: false, summary: `not done after ${minutes} minutes; it was at: ${step}`};
    tell({kind: 'done', ok, summary});
  }, 1000);
}

/**
 * Prints a line for each page.
 *
 * @param {import('./firefox.mjs').Firefox} firefox
 * @param {string | undefined} only the name of one page.
 * @returns {Promise<boolean>} whether all is well
 */
export async function checkSiteInFirefox(firefox, only) {
  const files = siteFiles(FOLDER);
  const told = JSON.stringify({tellPath: TELL, alivePath: ALIVE, minutes: MINUTES});
  const script = `<script>(${listener})(${told});</script>`;
  /** @type {Awaited<ReturnType<typeof listenToPages<Told>>>} */
  const {visit, close} = await listenToPages(async (request, response) => {
    const {pathname} = new URL(request.url ?? '/', 'http://localhost');
    if (!pathname.endsWith('.html')) return files(request, response);
    const page = await readFile(`${FOLDER}/${pathname.slice(PREFIX.length)}`, 'utf8');
    response.writeHead(200, {'content-type': 'text/html; charset=utf-8'}).end(page.replace('<head>', `<head>${script}`));
  });
  let good = true;
  try {
    for (const {name} of PAGES.filter((page) => only === undefined || page.name === only)) {
      const start = Date.now();
      /** @type {string[]} */
      const complaints = [];
      let summary = 'broke off';
      let step = '';
      const broken = await visit(`${PREFIX}${pathOf(name)}?quick`, {
        open: (url) => openFirefox(firefox, url),
        silence: SILENCE,
        told(message) {
          if (message.kind === 'complaint') complaints.push(message.text);
          if (message.kind === 'lives') ({step} = message);
          if (message.kind !== 'done') return;
          ({summary} = message);
          if (!message.ok) complaints.push(summary);
        },
      });
      if (broken !== null) complaints.push(`${broken}; it was at: ${step}`);
      const seconds = `${((Date.now() - start) / 1000).toFixed(0)} s`;
      console.log(`${complaints.length === 0 ? '✓' : '✗'} ${`${name}, Firefox`.padEnd(20)} ${seconds.padStart(5)}  ${summary}`);
      for (const complaint of complaints) console.error(`    ${complaint}`);
      good &&= complaints.length === 0;
    }
  } finally {
    close();
  }
  return good;
}
