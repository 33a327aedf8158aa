// `npm run build`: dist/tfjs-splat*.mjs for bundlers and import maps, .cjs for Node's require, .min.js for script tags, and the types.
import {existsSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {dts} from 'rollup-plugin-dts';
import esbuild from 'rollup-plugin-esbuild';
import {bareWgsl, SCRIPT_BUILD, SCRIPT_OUTPUT, scripts} from './scripts/script_tags.mjs';

const {version, license} = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const banner = `/*! tfjs-splat ${version}, ${license} */`;
const external = /^@tensorflow\//;
const compile = () => esbuild({target: 'es2022', tsconfig: false});

// What an earlier build left would be packed. dist/demo is not ours.
for (const name of existsSync('dist') ? readdirSync('dist') : []) {
  if (name === 'types' || name.startsWith('tfjs-splat')) rmSync(`dist/${name}`, {recursive: true});
}

/** The doors: `tfjs-splat` and its like with a name behind it. Caches and registrations lie in chunks that they share. */
const DOORS = {
  '': 'src/index.ts',
  '.chained': 'src/chained.ts',
  '.layers': 'src/layers/index.ts',
  '.register': 'src/register.ts',
};
/** @param {(door: string) => string} name */
const doors = (name) => Object.fromEntries(Object.entries(DOORS).map(([door, path]) => [name(door), path]));
/**
 * Two chunks for what doors share, and names in them as they are in the sources: patterns, which a bundler may keep alone, and everything
 * else, which registers itself with TensorFlow.js where any of it is used.
 *
 * @param {string} dir
 * @param {string} shared
 * @param {string} ending
 * @returns {import('rollup').OutputOptions}
 */
const files = (dir, shared, ending) => ({
  dir,
  entryFileNames: `[name]${ending}`,
  chunkFileNames: `[name]${ending}`,
  manualChunks: (id) => {
    if (/\/src\/(layers\/|chained|register|index)/.test(id)) return null;
    return /\/src\/(pattern|support)\//.test(id) ? shared.replace('shared', 'patterns') : shared;
  },
  minifyInternalExports: false,
});

export default [
  {
    input: doors((door) => `tfjs-splat${door}`),
    external,
    plugins: [compile()],
    output: [
      // Bundlers and browsers show the sources by this map; who requires the other reads it as it is.
      {...files('dist', 'tfjs-splat.shared', '.mjs'), format: 'es', banner, sourcemap: true},
      {...files('dist', 'tfjs-splat.shared', '.cjs'), format: 'cjs', banner},
    ],
  },
  {
    ...SCRIPT_BUILD,
    external,
    plugins: [scripts({version, banner}), compile(), bareWgsl()],
    output: SCRIPT_OUTPUT,
  },
  {
    input: doors((door) => door.slice(1) || 'index'),
    external,
    plugins: [dts()],
    // Twice: TypeScript takes the ending for the module kind.
    output: [files('dist/types', 'shared', '.d.ts'), files('dist/types', 'shared', '.d.cts')],
  },
];
