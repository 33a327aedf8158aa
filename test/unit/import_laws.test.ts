import {mkdtemp, mkdir, rm, writeFile} from 'node:fs/promises';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {cruise, type ICruiseOptions, type ICruiseResult} from 'dependency-cruiser';

const config = createRequire(import.meta.url)('../../scripts/dependency-cruiser.cjs');

/** The laws that the files break, by name. */
async function broken(files: Record<string, string>): Promise<string[]> {
  const root = await mkdtemp(join(tmpdir(), 'import-laws-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), {recursive: true});
      await writeFile(join(root, path), text);
    }
    const {tsConfig: _unused, ...options} = config.options;
    const asked: ICruiseOptions = {...options, baseDir: root, validate: true, ruleSet: {forbidden: config.forbidden}};
    const {output} = await cruise(['src'], asked, {extensions: ['.ts']} as never);
    return [...new Set((output as ICruiseResult).summary.violations.map(({rule}) => rule.name))];
  } finally {
    await rm(root, {recursive: true});
  }
}

describe('import laws', () => {
  it('let a room import an earlier room through its index', async () => {
    const files = {
      'src/support/index.ts': 'export const one = 1;',
      'src/pattern/index.ts': "export {two} from './two.js';",
      'src/pattern/two.ts': "import {one} from '../support/index.js'; export const two = one + 1;",
    };
    expect(await broken(files)).toEqual([]);
  });

  it('catch an arrow that points up, even when only a type is imported', async () => {
    const files = {
      'src/pattern/index.ts': 'export interface Pattern { size: number }',
      'src/support/index.ts': "import type {Pattern} from '../pattern/index.js'; export type Size = Pattern['size'];",
    };
    expect(await broken(files)).toContain('support-imports-only-itself');
  });

  it('catch a file taken out of a room past its door', async () => {
    const files = {
      'src/support/ints.ts': 'export const one = 1;',
      'src/pattern/index.ts': "import {one} from '../support/ints.js'; export const two = one + 1;",
    };
    expect(await broken(files)).toContain('import-a-room-not-a-file-inside-it');
  });

  it('catch an arrow between sub-rooms that points up, and a sub-room that no law knows', async () => {
    const files = {
      'src/wgsl/text/text.ts': "import {tile} from '../tile/tile.js'; export const text = tile;",
      'src/wgsl/tile/tile.ts': 'export const tile = 1;',
      'src/model/read/read.ts': "import {extra} from '../extra/extra.js'; export const read = extra;",
      'src/model/extra/extra.ts': 'export const extra = 1;',
    };
    expect(await broken(files)).toEqual(
      jasmine.arrayContaining(['wgsl-text-imports-only-itself', 'model-has-the-sub-rooms-that-it-has']),
    );
  });

  it('catch a cycle', async () => {
    const files = {
      'src/support/a.ts': "import {b} from './b.js'; export const a = b;",
      'src/support/b.ts': "import {a} from './a.js'; export const b = a;",
    };
    expect(await broken(files)).toContain('no-cycles');
  });

  it('catch a Node module and a package in a pure room', async () => {
    const files = {'src/plan/index.ts': "import {readFileSync} from 'node:fs'; export const read = readFileSync;"};
    expect(await broken(files)).toEqual(
      jasmine.arrayContaining(['pure-rooms-import-no-package', 'no-node-modules-in-the-library']),
    );
  });
});
