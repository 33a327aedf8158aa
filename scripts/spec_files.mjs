// Runs files of specs, each in a browser of its own, and prints what came of them: a line for a file, then the sum as jasmine words it.
import {listenToPages} from './told_pages.mjs';

/** A spec may compile pipelines for two minutes. */
const SILENCE = 180;

/**
 * What a page of specs says (test/support/told_specs.ts).
 *
 * @typedef {{kind: 'started', name: string}
 *   | {kind: 'spec', name: string, status: string, failures: string[]}
 *   | {kind: 'console' | 'failure', text: string}
 *   | {kind: 'done'}} Told
 */

/** @typedef {{specs: number, failed: number, pending: number}} Sum */

/**
 * @param {readonly string[]} files
 * @param {object} options `open` and `serve` as for `listenToPages`; the page gets its file as `?file=`.
 * @param {(url: string) => import('./told_pages.mjs').Browser} options.open
 * @param {import('./told_pages.mjs').Serve} options.serve
 * @param {number} [options.silence]
 * @param {(line: string) => void} [options.print]
 * @returns {Promise<Sum>} A file that hangs or crashes is one failed spec more.
 */
export async function runSpecFiles(files, {open, serve, silence = SILENCE, print = console.log}) {
  /** @type {Awaited<ReturnType<typeof listenToPages<Told>>>} */
  const {visit, close} = await listenToPages(serve);
  const sum = {specs: 0, failed: 0, pending: 0};
  try {
    for (const file of files) {
      const start = Date.now();
      const found = {specs: 0, failed: 0, pending: 0};
      /** @type {string[]} */
      const lines = [];
      /** @type {string | null} */
      let running = null;
      /** @param {string} text */
      const fail = (text) => {
        found.specs++;
        found.failed++;
        lines.push(`    ${text}`);
      };
      /** @param {Told} message */
      const told = (message) => {
        if (message.kind === 'started') running = message.name;
        if (message.kind === 'console') lines.push(`    console: ${message.text}`);
        // Of beforeAll and afterAll, or of a file that does not load.
        if (message.kind === 'failure') fail(message.text);
        if (message.kind !== 'spec') return;
        const {name, status, failures} = message;
        running = null;
        found.specs++;
        if (status === 'pending') found.pending++;
        if (status === 'failed') found.failed++;
        lines.push(...failures.map((failure) => `    ${name}\n      ${failure.replaceAll('\n', '\n      ')}`));
      };
      const broken = await visit(`/?file=${encodeURIComponent(file)}`, {open, told, silence});
      if (broken !== null) fail(running === null ? broken : `${broken}\n    It was at: ${running}`);
      else if (found.specs === 0) fail('no specs ran');
      const seconds = ((Date.now() - start) / 1000).toFixed(1);
      const verdict = found.failed > 0 ? `${found.failed} failed` : '';
      print(
        `${found.failed > 0 ? '✗' : '✓'} ${file.padEnd(46)} ${String(found.specs).padStart(3)} specs ${verdict.padStart(9)} ${seconds.padStart(6)} s`,
      );
      if (found.failed > 0) print(lines.join('\n'));
      sum.specs += found.specs;
      sum.failed += found.failed;
      sum.pending += found.pending;
    }
  } finally {
    close();
  }
  print(`\n${sumText(sum)}`);
  return sum;
}

/**
 * As jasmine says it, which `count` of steps.mjs reads.
 *
 * @param {Sum} sum
 */
const sumText = ({specs, failed, pending}) =>
  `${specs} spec${specs === 1 ? '' : 's'}, ${failed} failure${failed === 1 ? '' : 's'}` +
  (pending === 0 ? '' : `, ${pending} pending spec${pending === 1 ? '' : 's'}`);
