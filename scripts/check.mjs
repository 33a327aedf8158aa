// `npm run check`: everything that can be known without a GPU. Types, lint, format, import laws, unit tests.
import {isMain, printFailures, runSteps} from './steps.mjs';

const CACHE = 'node_modules/.cache/tfjs-splat';
const bin = (path) => ['node', `node_modules/${path}`];
const SOURCES = ['src', 'test', 'bench', 'demo', 'scripts', '*.{js,mjs}'];

/** The slowest first, so that two workers finish together. */
export const CHECKS = [
  {name: 'types', command: [...bin('typescript/bin/tsc'), '-p', 'tsconfig.json', '--pretty', 'false']},
  {
    name: 'unit tests',
    command: ['node', '--import', 'tsx', 'node_modules/jasmine/bin/jasmine.js', '--config=test/support/jasmine.unit.json'],
  },
  {
    name: 'lint',
    command: [
      ...bin('eslint/bin/eslint.js'),
      ...['-c', 'scripts/eslint.config.mjs', '--max-warnings', '0', '--no-error-on-unmatched-pattern'],
      ...['--cache', '--cache-location', `${CACHE}/eslint`, ...SOURCES],
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
