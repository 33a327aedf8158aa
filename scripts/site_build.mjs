// Builds the site into dist/site: a folder of static files that any web server can offer from any path.
import {spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {cp, mkdir, readFile, rm, writeFile} from 'node:fs/promises';
import {build} from 'esbuild';
import {isMain, ROOT} from './steps.mjs';

export const FOLDER = `${ROOT}dist/site`;

/** @typedef {{name: string, title: string, description: string, nav?: string}} Page `nav`: what the header calls it. */

/**
 * The home page lies at the root, the others in a folder of their name.
 *
 * @type {Page[]}
 */
export const PAGES = [
  {
    name: 'home',
    title: 'tfjs-splat: sparse attention for TensorFlow.js',
    description: 'Attention that computes only the pairs that count, in one WebGPU kernel written for your pattern.',
  },
  {
    name: 'model',
    nav: 'Model',
    title: 'A language model, sparse against dense · tfjs-splat',
    description: 'A byte-level language model completes long text in your browser, with sparse and with dense attention.',
  },
  {
    name: 'explain',
    nav: 'Explain',
    title: 'Studio: from pattern to kernel · tfjs-splat',
    description: 'Write a sparsity pattern and see its mask, its rows as arithmetic, its tiles, its cost and its WGSL.',
  },
  {
    name: 'weights',
    nav: 'Weights',
    title: 'Attention weights of a model · tfjs-splat',
    description: 'Which bytes does each byte look at? Weights of a trained language model, head by head.',
  },
  {
    name: 'speed',
    nav: 'Speed',
    title: 'Speed on this machine · tfjs-splat',
    description: 'Sparse against dense attention, timed in your own browser.',
  },
  {
    name: 'swap',
    nav: 'Swap',
    title: 'Swap the attention of a model · tfjs-splat',
    description: 'Drop a TensorFlow.js graph model and see which attentions would be replaced, and what that gains.',
  },
];

/**
 * Where a page lies inside the site.
 *
 * @param {string} name
 */
export const pathOf = (name) => (name === 'home' ? 'index.html' : `${name}/index.html`);

/**
 * Files that pages fetch, from the project to the site.
 *
 * @type {[from: string, to: string][]}
 */
const ASSETS = [
  ['demo/shell/style.css', 'style.css'],
  ['demo/text/tensorflowjs.txt', 'text/tensorflowjs.txt'],
  // Long texts for the model page: the project's own prose and code besides.
  ['docs/architecture.md', 'text/architecture.txt'],
  ['src/runtime/kv/kv_cache.ts', 'text/source.txt'],
  ['demo/language_model/weights', 'model/weights'],
  ...['', '-simd', '-threaded-simd'].map((kind) => {
    const file = `tfjs-backend-wasm${kind}.wasm`;
    return /** @type {[string, string]} */ ([`node_modules/@tensorflow/tfjs-backend-wasm/dist/${file}`, `wasm/${file}`]);
  }),
];

/** @returns {Promise<void>} rejects with the compiler's messages. What others put into the folder, `api`, stays. */
export async function buildSite() {
  await mkdir(FOLDER, {recursive: true});
  // Their names change with their contents.
  await rm(`${FOLDER}/chunks`, {recursive: true, force: true});
  await Promise.all([bundle(), ...PAGES.map(writePage), ...ASSETS.map(copyAsset), makeExample()]);
}

function bundle() {
  return build({
    entryPoints: PAGES.map(({name}) => ({in: `${ROOT}demo/${name}/main.ts`, out: name === 'home' ? 'main' : `${name}/main`})),
    outdir: FOLDER,
    bundle: true,
    format: 'esm',
    // Pages share chunks, and the WASM backend is fetched only where there is no WebGPU.
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
    target: 'es2022',
    minify: true,
    sourcemap: true,
    logLevel: 'warning',
  });
}

/** @param {Page} page */
async function writePage({name, title, description}) {
  const root = name === 'home' ? '' : '../';
  const shell = await readFile(`${ROOT}demo/shell/page.html`, 'utf8');
  const content = await readFile(`${ROOT}demo/${name}/content.html`, 'utf8');
  /**
   * @param {string} href
   * @param {string} text
   * @param {boolean} isCurrent
   */
  const link = (href, text, isCurrent) => `<li><a href="${root}${href}"${isCurrent ? ' aria-current="page"' : ''}>${text}</a></li>`;
  const nav = PAGES.flatMap((page) => (page.nav ? link(pathOf(page.name), page.nav, page.name === name) : []));
  /** @type {Record<string, string>} */
  const parts = {name, title, description, root, content, nav: [...nav, link('api/index.html', 'Docs', false)].join('\n')};
  await mkdir(`${FOLDER}/${name === 'home' ? '' : name}`, {recursive: true});
  const html = shell.replace(/{{(\w+)}}/g, (_, part) => parts[part]);
  await writeFile(`${FOLDER}/${pathOf(name)}`, html);
}

/** @param {[from: string, to: string]} asset */
async function copyAsset([from, to]) {
  // The trained weights are an artefact of their own; the model page says so where they are missing.
  if (existsSync(ROOT + from)) await cp(ROOT + from, `${FOLDER}/${to}`, {recursive: true});
}

const makeExample = () => runNode('--import', 'tsx', 'demo/swap/make_example.ts', `${FOLDER}/swap/example`);

/** The reference and the pages of docs/, which every page of the site links to. */
export const buildDocs = () =>
  runNode('node_modules/typedoc/bin/typedoc', '--options', 'scripts/typedoc.json', '--logLevel', 'Warn');

/** @param {string[]} command */
function runNode(...command) {
  /** @type {Promise<void>} */
  const ended = new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, {cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit']});
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${command.join(' ')} ended with ${code}`))));
  });
  return ended;
}

if (isMain(import.meta.url)) await buildSite();
