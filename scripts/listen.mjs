/**
 * Starts a server that only this machine can reach.
 *
 * @param {import('node:http').Server} server
 * @param {number} [port] 0, the default, is any free one.
 * @returns {Promise<string>} The address, without a slash at its end; rejects with EADDRINUSE.
 */
export async function listen(server, port = 0) {
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(port, '127.0.0.1', () => resolve(null));
  });
  return `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`;
}
