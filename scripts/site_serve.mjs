// Serves the site the way most hosts do: static files, below a path of the host.
import {createServer} from 'node:http';
import sirv from 'sirv';
import {listen} from './listen.mjs';

/** Not the root, so that a link that starts with a slash breaks here and not on somebody's host. */
export const PREFIX = '/some/where/';

/**
 * @param {string} folder
 * @returns {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => void}
 */
export function siteFiles(folder) {
  const files = sirv(folder, {dev: true});
  return (request, response) => {
    const {url = ''} = request;
    if (!url.startsWith(PREFIX)) {
      response.writeHead(404).end(`Not here: the site is at ${PREFIX}`);
      return;
    }
    request.url = url.slice(PREFIX.length - 1);
    files(request, response);
  };
}

/**
 * @param {string} folder
 * @param {number} port
 * @returns {Promise<{address: string, close: () => void}>} rejects with EADDRINUSE; port 0 is any free one.
 */
export async function serve(folder, port) {
  const server = createServer(siteFiles(folder));
  const address = await listen(server, port);
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return {address: `${address}${PREFIX}`, close};
}
