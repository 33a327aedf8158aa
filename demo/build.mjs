// Builds the page into dist/demo: a folder of static files that any web server can offer from any path.
import {spawn} from 'node:child_process';
import {cp, mkdir} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const FOLDER = `${ROOT}dist/demo`;

/** @returns {Promise<void>} rejects with the compiler's messages */
export async function buildDemo() {
  await mkdir(`${FOLDER}/text`, {recursive: true});
  const wasm = `${ROOT}node_modules/@tensorflow/tfjs-backend-wasm/dist`;
  await Promise.all([
    build({
      entryPoints: [`${ROOT}demo/main.ts`],
      outdir: FOLDER,
      bundle: true,
      format: 'esm',
      // The WASM backend is fetched only where there is no WebGPU.
      splitting: true,
      target: 'es2022',
      minify: true,
      sourcemap: true,
      logLevel: 'warning',
    }),
    ...['index.html', 'style.css', 'text/tensorflowjs.txt'].map((file) => cp(`${ROOT}demo/${file}`, `${FOLDER}/${file}`)),
    ...['', '-simd', '-threaded-simd'].map((kind) => {
      const file = `tfjs-backend-wasm${kind}.wasm`;
      return cp(`${wasm}/${file}`, `${FOLDER}/wasm/${file}`);
    }),
    makeModel(),
  ]);
}

function makeModel() {
  return new Promise((resolve, reject) => {
    const command = ['--import', 'tsx', 'demo/make_model.ts', `${FOLDER}/model`];
    const child = spawn(process.execPath, command, {cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit']});
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`make_model.ts ended with ${code}`))));
  });
}
