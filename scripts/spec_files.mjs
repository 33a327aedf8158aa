// Runs files of specs, each in a browser of its own, and prints what came of them: a line for a file, then the sum as jasmine words it.
import {listenToPages} from './told_pages.mjs';

/** A spec may compile pipelines for two minutes. */
const SILENCE = 180;

/**
 * @param {readonly string[]} files
 * @param {{open: (url: string) => object, serve: Function, silence?: number, print?: (line: string) => void}} options `open` and `serve`
 *     as for `listenToPages`; the page gets its file as `?file=`.
 * @returns {Promise<{specs: number, failed: number, pending: number}>} A file that hangs or crashes is one failed spec more.
 */
export async function runSpecFiles(files, {open, serve, silence = SILENCE, print = console.log}) {
  const {visit, close} = await listenToPages(serve);
  const sum = {specs: 0, failed: 0, pending: 0};
  try {
    for (const file of files) {
      const start = Date.now();
      const found = {specs: 0, failed: 0, pending: 0};
      const lines = [];
      let running = null;
      const fail = (text) => {
        found.specs++;
        found.failed++;
        lines.push(`    ${text}`);
      };
      const told = ({kind, name, status, failures, text}) => {
        if (kind === 'started') running = name;
        if (kind === 'console') lines.push(`    console: ${text}`);
        // Of beforeAll and afterAll, or of a file that does not load.
        if (kind === 'failure') fail(text);
        if (kind !== 'spec') return;
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
      for (const key of Object.keys(sum)) sum[key] += found[key];
    }
  } finally {
    close();
  }
  print(`\n${sumText(sum)}`);
  return sum;
}

/** As jasmine says it, which `count` of steps.mjs reads. */
const sumText = ({specs, failed, pending}) =>
  `${specs} spec${specs === 1 ? '' : 's'}, ${failed} failure${failed === 1 ? '' : 's'}` +
  (pending === 0 ? '' : `, ${pending} pending spec${pending === 1 ? '' : 's'}`);
