import {readdirSync, readFileSync} from 'node:fs';
import {goldens, VARIANTS} from '../support/goldens.js';

const FOLDER = new URL('../golden/', import.meta.url);
const RUN = "run 'npm run golden' and review the difference";

/** The first line that differs, for a message that fits a screen. */
function difference(found: string, expected: string): string {
  const [a, b] = [found.split('\n'), expected.split('\n')];
  const line = a.findIndex((text, index) => text !== b[index]);
  return line < 0 && a.length === b.length ? '' : `line ${line + 1}: '${a[line]}' where the golden has '${b[line]}'; ${RUN}`;
}

describe('the goldens', () => {
  const files = goldens();

  for (const [path, text] of files) {
    it(`show what ${path} is today`, () => {
      let golden = '';
      try {
        golden = readFileSync(new URL(path, FOLDER), 'utf8');
      } catch {
        fail(`test/golden/${path} is missing; ${RUN}`);
      }
      expect(difference(text, golden)).toBe('');
    });
  }

  it('are all there is in their folder', () => {
    const paths = readdirSync(FOLDER, {recursive: true}).map((path) => String(path).replaceAll('\\', '/'));
    expect(paths.filter((path) => path !== 'wgsl' && !files.has(path))).toEqual([]);
  });

  it('print each program once', () => {
    expect(new Set(VARIANTS.map(({program}) => program.key)).size).toBe(VARIANTS.length);
  });
});
