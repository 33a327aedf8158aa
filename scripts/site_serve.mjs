// Serves the site the way most hosts do: static files, below a path of the host.
import {createServer} from 'node:http';
import sirv from 'sirv';

/** Not the root, so that a link that starts with a slash breaks here and not on somebody's host. */
export const PREFIX = '/some/where/';

/** @returns {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => void} */
export function siteFiles(folder) {
  const files = sirv(folder, {dev: true});
  return (request, response) => {
    if (!request.url.startsWith(PREFIX)) {
      response.writeHead(404).end(`Not here: the site is at ${PREFIX}`);
      return;
    }
    request.url = request.url.slice(PREFIX.length - 1);
    files(request, response);
  };
}

/** @returns {Promise<{address: string, close: () => void}>} rejects with EADDRINUSE; port 0 is any free one. */
export async function serve(folder, port) {
  const server = createServer(siteFiles(folder));
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return {address: `http://127.0.0.1:${server.address().port}${PREFIX}`, close};
}
