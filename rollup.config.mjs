// `npm run build`: dist/tfjs-splat.mjs for bundlers and Node, .cjs for require, .min.js for script tags, and the types.
import {readFileSync} from 'node:fs';
import {dts} from 'rollup-plugin-dts';
import esbuild from 'rollup-plugin-esbuild';

const {version, license} = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
const banner = `/*! tfjs-splat ${version}, ${license} */`;
const external = /^@tensorflow\//;
const compile = (options = {}) => esbuild({target: 'es2022', tsconfig: false, ...options});

/** A script tag adds to the global `tf`, where tf.min.js put the packages that ours imports. */
const scriptTag = (file) => ({
  input: 'src/umd.ts',
  external,
  plugins: [compile({minify: true})],
  output: {
    file,
    banner,
    format: 'umd',
    name: 'tf',
    extend: true,
    sourcemap: true,
    globals: {'@tensorflow/tfjs-core': 'tf', '@tensorflow/tfjs-converter': 'tf', '@tensorflow/tfjs-backend-webgpu': 'tf'},
  },
});

export default [
  {
    input: 'src/index.ts',
    external,
    plugins: [compile()],
    output: [
      {file: 'dist/tfjs-splat.mjs', format: 'es', banner, sourcemap: true},
      {file: 'dist/tfjs-splat.cjs', format: 'cjs', banner, sourcemap: true},
    ],
  },
  scriptTag('dist/tfjs-splat.min.js'),
  {
    input: 'src/index.ts',
    external,
    plugins: [dts()],
    // Twice: TypeScript takes the ending for the module kind.
    output: [{file: 'dist/types/index.d.ts'}, {file: 'dist/types/index.d.cts'}],
  },
];
