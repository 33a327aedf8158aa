// `npm run check`: everything that can be known without a GPU. Types, lint, format, import laws, unit tests.
import {isMain, printFailures, runSteps} from './steps.mjs';

const CACHE = 'node_modules/.cache/tfjs-splat';
/** @param {string} path */
const bin = (path) => ['node', `node_modules/${path}`];
const SOURCES = ['src', 'test', 'bench', 'demo', 'scripts', '*.{js,mjs}'];

/**
 * @param {string} name
 * @param {string} files
 * @returns {import('./steps.mjs').Step}
 */
const unit = (name, files) => ({
  name,
  minutes: 20,
  command: ['node', '--import', 'tsx', 'node_modules/jasmine/bin/jasmine.js', '--config=test/support/jasmine.unit.json', files],
});

/** Whole models, compilers and combinations: what would keep somebody waiting who only asks whether a change holds. */
export const LONG_UNIT_TESTS = unit('unit tests, the long ones', 'test/unit/long/*.test.ts');

/** The slowest first, so that two workers finish together. */
export const CHECKS = [
  unit('unit tests, a to l', 'test/unit/[a-l]*.test.ts'),
  unit('unit tests, m to z', 'test/unit/[m-z]*.test.ts'),
  // The compiler in native code: 2 seconds where the other takes 15. Declarations and lint are the other's.
  {name: 'types', command: [...bin('typescript-7/bin/tsc'), '-p', 'tsconfig.json', '--noEmit', '--pretty', 'false']},
  {name: 'types of the scripts', command: [...bin('typescript-7/bin/tsc'), '-p', 'scripts/tsconfig.json', '--pretty', 'false']},
  {
    name: 'lint',
    command: [
      ...bin('eslint/bin/eslint.js'),
      ...['-c', 'scripts/eslint.config.mjs', '--max-warnings', '0', '--no-error-on-unmatched-pattern'],
      ...['--cache', '--cache-location', `${CACHE}/eslint`, ...SOURCES],
    ],
  },
  // No cache: what a file means depends on the types of others.
  {
    name: 'lint that knows types',
    command: [
      ...bin('oxlint/bin/oxlint'),
      ...['--type-aware', '-c', 'scripts/oxlint.json', '--format', 'unix'],
      ...['src', 'test', 'bench', 'demo', 'scripts', 'karma.conf.js', 'rollup.config.mjs'],
    ],
  },
  {
    name: 'format',
    command: [
      ...bin('prettier/bin/prettier.cjs'),
      ...[
        '--check',
        '--no-error-on-unmatched-pattern',
        '--cache',
        '--cache-location',
        `${CACHE}/prettier`,
        '--log-level',
        'warn',
        '.',
      ],
    ],
  },
  {
    name: 'import laws',
    command: [...bin('dependency-cruiser/bin/dependency-cruise.mjs'), '--config', 'scripts/dependency-cruiser.cjs', 'src', 'test'],
  },
];

if (isMain(import.meta.url)) printFailures(await runSteps(CHECKS));
