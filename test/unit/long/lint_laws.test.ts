import {execFile} from 'node:child_process';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {ESLint} from 'eslint';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const CONFIG = join(ROOT, 'scripts/oxlint.json');
const TYPED = ['node_modules/oxlint/bin/oxlint', '--type-aware', '-c', CONFIG, '--format', 'unix'];

/** The rules that need types which the files break: `name: rule`. */
async function broken(files: Record<string, string>): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lint-laws-'));
  try {
    const options = {
      target: 'ES2022',
      lib: ['ES2022', 'DOM'],
      module: 'ESNext',
      strict: true,
      allowJs: true,
      noEmit: true,
      types: [],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({compilerOptions: options, include: ['*']}));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const output = await new Promise<string>((resolve) =>
      execFile(process.execPath, [...TYPED, folder], {cwd: ROOT}, (_error, stdout, stderr) => resolve(stdout + stderr)),
    );
    return [...output.matchAll(/(\w+\.\w+):\d+:\d+: .*typescript\(([\w-]+)\)/g)].map(([, name, rule]) => `${name}: ${rule}`).sort();
  } finally {
    await rm(folder, {recursive: true});
  }
}

describe('lint laws', () => {
  const eslint = new ESLint({cwd: ROOT, overrideConfigFile: join(ROOT, 'scripts/eslint.config.mjs')});

  it('catch promises that nobody waits for, and what is no promise', async () => {
    const start = 'async function start(): Promise<number> { return 1; }\n';
    const files = {
      'floating.ts': `${start}start();`,
      'then.ts': `${start}start().then((one) => one + 1);`,
      'script.mjs': 'async function start() {}\nstart();',
      'condition.ts': `${start}export const yes = start() ? 1 : 2;`,
      'each.ts': `${start}[1].forEach(start);`,
      'listener.ts': `${start}new EventTarget().addEventListener('loss', start);`,
      'await.ts': 'export const one = await 1;',
      'caught.ts': `${start}export async function ask() { try { return start(); } catch { return 0; } }`,
      'thrown.ts': "export function fail() { throw 'no'; }",
      'sorted.ts': 'export const sorted = [10, 9].sort();',
      'right.ts': `${start}start().catch(() => 0); export const one = await start(); void start(); ['b', 'a'].sort();`,
    };
    expect(await broken(files)).toEqual([
      'await.ts: await-thenable',
      'caught.ts: return-await',
      'condition.ts: no-misused-promises',
      'each.ts: no-misused-promises',
      'floating.ts: no-floating-promises',
      'listener.ts: no-misused-promises',
      'script.mjs: no-floating-promises',
      'sorted.ts: require-array-sort-compare',
      'then.ts: no-floating-promises',
      'thrown.ts: only-throw-error',
    ]);
  });

  it('leave the names of options to one reader', async () => {
    const text =
      "import {nearestName, readOptions} from '../../support/index.js';\nexport const both = [nearestName, readOptions];\n";
    const rules = async (filePath: string): Promise<(string | null)[]> =>
      (await eslint.lintText(text, {filePath}))[0]!.messages.map(({ruleId}) => ruleId);
    expect(await rules('src/model/planted.ts')).toEqual(['no-restricted-imports']);
    expect(await rules('src/pattern/sizes.ts')).toEqual([]);
  });

  it('ask why, where a promise is dropped on purpose', async () => {
    const rules = async (body: string): Promise<(string | null)[]> => {
      const [result] = await eslint.lintText(`export function go(start: () => Promise<void>): void {\n${body}\n}\n`, {
        filePath: 'src/planted.ts',
      });
      return result!.messages.map(({ruleId}) => ruleId);
    };
    expect(await rules('void start();')).toEqual(['splat/void-says-why']);
    expect(await rules('if (start.length > 0) void start();')).toEqual(['splat/void-says-why']);
    expect(await rules('// It shows its errors itself.\nvoid start();')).toEqual([]);
    expect(await rules('// It shows its errors itself.\nif (start.length > 0) void start();')).toEqual([]);
  });
});
