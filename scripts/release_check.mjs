// `npm run release:check`, and before every `npm publish`: says what keeps this version from being published, all of it at once.
// docs/releasing.md is the list for people; this is what a machine can see of it.
import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {isMain, ROOT} from './steps.mjs';

/** Where users find the project and its issues. Nobody may invent them, so they are missing until an address is fixed. */
const ADDRESSES = ['repository', 'homepage', 'bugs'];

/**
 * What a reader of the files can object to.
 *
 * @param {Record<string, unknown>} manifest package.json
 * @param {string} changelog
 * @param {string} readme
 * @returns {string[]}
 */
export function objections(manifest, changelog, readme) {
  const {version} = manifest;
  const heading = changelog.split('\n').find((line) => line.startsWith(`## ${version}`));
  const missing = ADDRESSES.filter((name) => !manifest[name]);
  return [
    ...missing.map(
      (name) => `package.json has no ${name}: npm would show users no way to the source, to the pages or to the issues.`,
    ),
    ...(heading === undefined ? [`CHANGELOG.md has no heading "## ${version}".`] : []),
    ...(heading !== undefined && !/, \d{4}-\d{2}-\d{2}$/.test(heading)
      ? [`CHANGELOG.md gives ${version} no date: "${heading}".`]
      : []),
    ...(/not on npm yet/.test(readme) ? ['README.md still says that the package is not on npm.'] : []),
  ];
}

/**
 * @param {string} file
 * @param {string[]} args
 */
const run = (file, ...args) => execFileSync(file, args, {cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe']});

/**
 * @param {string} what
 * @param {string} file
 * @param {string[]} args
 * @returns {string[]} What a command printed when it failed, or nothing.
 */
function failuresOf(what, file, ...args) {
  try {
    run(file, ...args);
    return [];
  } catch (error) {
    const {stdout = '', stderr = '', message} = /** @type {Error & {stdout?: string, stderr?: string}} */ (error);
    return [`${what}:\n${`${stdout}${stderr}`.trim() || message}`];
  }
}

/** Packs what is built and lets two linters of packages look at it: entry points, formats, types under every kind of resolution. */
export function lintPackage() {
  if (!existsSync(join(ROOT, 'dist/tfjs-splat.mjs'))) return ['dist is not built: npm run build.'];
  const folder = mkdtempSync(join(tmpdir(), 'tfjs-splat-release-'));
  /** @param {string} path */
  const bin = (path) => join(ROOT, 'node_modules', path);
  try {
    const [{filename}] = JSON.parse(run('npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder));
    const tarball = join(folder, filename);
    return [
      ...failuresOf('publint', process.execPath, bin('publint/src/cli.js'), tarball, '--strict'),
      ...failuresOf(
        'arethetypeswrong',
        process.execPath,
        bin('@arethetypeswrong/cli/dist/index.js'),
        tarball,
        '--format',
        'table-flipped',
      ),
    ];
  } finally {
    rmSync(folder, {recursive: true, force: true});
  }
}

function check() {
  /** @param {string} path */
  const read = (path) => readFileSync(join(ROOT, path), 'utf8');
  const manifest = JSON.parse(read('package.json'));
  const {version} = manifest;
  const found = [
    ...objections(manifest, read('CHANGELOG.md'), read('README.md')),
    ...(run('git', 'status', '--porcelain') === '' ? [] : ['There are changes that are not committed.']),
    ...(run('git', 'tag', '--list', `v${version}`) === '' ? [] : [`The tag v${version} is there already: take the next version.`]),
    ...lintPackage(),
  ];
  for (const line of found) console.error(`- ${line}`);
  console.log(
    found.length === 0
      ? `Version ${version} may be published.`
      : `Version ${version} is not published: ${found.length} objections.`,
  );
  return found.length === 0;
}

if (isMain(import.meta.url)) process.exitCode = check() ? 0 : 1;
