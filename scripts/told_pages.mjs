// Pages that tell a local server what happens on them, so that no program has to drive their browser.
import {createServer} from 'node:http';
import {listen} from './listen.mjs';

/** The page sends JSON here, with a `kind`; the kind `done` is its last word. */
export const TELL = '/tell';
/** The page reads from here for as long as it lives. The connection breaks when its process does, which nothing else would tell. */
export const ALIVE = '/alive';

/** @typedef {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => void | Promise<void>} Serve */

/**
 * A browser on one page.
 *
 * @typedef {object} Browser
 * @property {Promise<string>} ended how it ended, if it does so by itself.
 * @property {() => Promise<void>} close
 */

/**
 * Serves pages and listens to them, one at a time.
 *
 * @template {{kind: string}} Message what the pages say.
 * @param {Serve} serve everything else; what it throws is the answer.
 */
export async function listenToPages(serve) {
  /** @type {(message: Message) => void} */
  let hear = () => {};
  let gone = () => {};
  const server = createServer((request, response) => {
    if (request.url === TELL) {
      /** @type {Buffer[]} */
      const chunks = [];
      request.on('data', (chunk) => chunks.push(chunk));
      request.on('end', () => {
        response.writeHead(204).end();
        hear(JSON.parse(Buffer.concat(chunks).toString()));
      });
    } else if (request.url === ALIVE) {
      response.writeHead(200, {'content-type': 'text/plain'}).flushHeaders();
      // Firefox notices that nobody reads any more when something arrives.
      const beat = setInterval(() => response.write('.'), 1000);
      const tellGone = gone; // Of this visit: the connection of a page before breaks late.
      response.on('close', () => {
        clearInterval(beat);
        tellGone();
      });
    } else {
      const answer = async () => serve(request, response);
      answer().catch((error) => response.writeHead(500).end(String(error)));
    }
  });
  // A page may compute for minutes between two words.
  Object.assign(server, {requestTimeout: 0, headersTimeout: 0, timeout: 0});
  const address = await listen(server);

  /**
   * Opens a page and gives `told` what it says, until it is done.
   *
   * @param {string} path
   * @param {{open: (url: string) => Browser, told: (message: Message) => void, silence: number}} how `silence`: seconds without a word
   *     after which the page counts as hung.
   * @returns {Promise<string | null>} why it did not come to an end, or null.
   */
  async function visit(path, {open, told, silence}) {
    const browser = open(address + path);
    try {
      return await new Promise((resolve) => {
        /** @type {NodeJS.Timeout | undefined} */
        let watchdog;
        const wait = () => {
          clearTimeout(watchdog);
          watchdog = setTimeout(() => resolve(`hung: not a word for ${silence} seconds`), silence * 1000);
        };
        /** @param {string | null} why */
        const end = (why) => {
          clearTimeout(watchdog);
          resolve(why);
        };
        wait();
        hear = (message) => {
          wait();
          told(message);
          if (message.kind === 'done') end(null);
        };
        gone = () => end("crashed: the page's process is gone");
        // The page may be done before its browser ends.
        void browser.ended.then(end);
      });
    } finally {
      hear = () => {};
      gone = () => {};
      await browser.close();
    }
  }

  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return {address, visit, close};
}
