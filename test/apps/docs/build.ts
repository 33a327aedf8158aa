// Writes the programs of programs.ts into the current folder, `node_modules` of which has the packed package: NAME.mjs for Node,
// dist/NAME.html for a page, and the models that the documents name. An argument is the folder of the project.
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {build, transformSync} from 'esbuild';
import {blocksOf} from '../../support/doc_examples.js';
import {bert} from '../../support/models/bert.js';
import {PROGRAMS} from './programs.mjs';

type DocProgram = (typeof PROGRAMS)[number];

const project = process.argv[2]!;
const here = process.cwd();

/** The code as it stands, then what must be true; a page must have computed on WebGPU, which the code alone has to see to. */
function programOf({page, block, holds, prints = []}: DocProgram, where: 'page' | 'process'): string {
  const blocks = blocksOf(join(project, page));
  const code = block === undefined ? blocks.join('\n') : blocks[block]!;
  const claims = where === 'page' ? [...holds, "tf.getBackend() === 'webgpu'"] : holds;
  const listen = `
const __lines = [];
for (const name of ['log', 'info']) { const say = console[name]; console[name] = (...words) => { __lines.push(...words.map(String)); say(...words); }; }
`;
  const checks = `
${claims.map((claim) => `if (!(${claim})) throw new Error(${JSON.stringify(`not so: ${claim}`)});`).join('\n')}
{
  let from = 0;
  for (const wanted of [${prints.join()}]) {
    const at = __lines.findIndex((line, i) => i >= from && wanted.test(line));
    if (at < 0) throw new Error('never printed: ' + wanted + ' in ' + JSON.stringify(__lines));
    from = at + 1;
  }
}
${where === 'page' ? "document.querySelector('output').textContent" : 'globalThis.done'} = 'ok on ' + tf.getBackend();
`;
  const {code: script} = transformSync(`${listen}${code}${checks}`, {
    loader: 'ts',
    format: 'esm',
    target: 'es2022',
    tsconfigRaw: {compilerOptions: {verbatimModuleSyntax: true}},
  });
  return where === 'process' ? `${script}console.log(globalThis.done);\n` : script;
}

/** Bundles a module to dist/NAME.js. What the packed package does not bring, React, comes from the project. */
const bundle = (name: string, contents: string, sourcefile: string, loader: 'js' | 'jsx' = 'js') =>
  build({
    stdin: {contents, resolveDir: here, sourcefile, loader},
    outfile: `dist/${name}.js`,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    define: {'process.env.NODE_ENV': '"production"'},
    nodePaths: [join(project, 'node_modules')],
    logLevel: 'error',
  });

const writePage = (name: string): void =>
  writeFileSync(`dist/${name}.html`, pageOf(name, `<script type="module" src="${name}.js"></script>`));

mkdirSync('dist', {recursive: true});
for (const program of PROGRAMS) {
  const {name} = program;
  if (program.process) writeFileSync(`${name}.mjs`, programOf(program, 'process'));
  writePage(name);
  await bundle(name, programOf(program, 'page'), `${program.page}.js`);
}

// The two applications of the guide, around which there is a page and nothing else.
const apps = join(project, 'docs/guides/apps.md');
const [component] = blocksOf(apps, 'jsx');
writeFileSync('guide.jsx', component!);
await bundle('react', readFileSync(join(project, 'test/apps/docs/react.jsx'), 'utf8'), 'react.jsx', 'jsx');
writePage('react');
const [worker, client] = blocksOf(apps, 'js');
await bundle('worker', worker!, 'worker.js');
await bundle('worker_page', client!, 'worker_page.js');
writePage('worker_page');

// Script tags as the guide has them, its files where npm puts them.
const [tags] = blocksOf(join(project, 'docs/guides/plain-code.md'), 'html').filter((html) => html.includes('tfjs-splat.min.js'));
const places: Record<string, string> = {
  'tf.min.js': '@tensorflow/tfjs/dist/tf.min.js',
  'tf-backend-webgpu.min.js': '@tensorflow/tfjs-backend-webgpu/dist/tf-backend-webgpu.min.js',
};
const placed = tags!.replace(
  /src="([^"]+)"/g,
  (_, file: string) => `src="/node_modules/${places[file] ?? `tfjs-splat/dist/${file}`}"`,
);
const told =
  "if (output.shape.join() === '1,8,256,64') document.querySelector('output').textContent = 'ok on ' + tf.getBackend();\n</script>";
writeFileSync('dist/script_tags.html', pageOf('script tags', placed.replace(/<\/script>\s*$/, told)));

// The models that the documents load by name.
const sizes = {layers: 2, heads: 2, headDim: 6, ffn: 20, vocabulary: 40, positions: 64};
const {modelTopology, signature, weightSpecs, weightData} = bert(sizes).artifacts;
for (const folder of ['bert', 'model'])
  saveModel(folder, {format: 'graph-model', modelTopology, signature}, weightSpecs, [weightData!].flat());

interface Stored {
  readonly modelTopology: object;
  readonly weights: readonly {readonly name: string; readonly shape: number[]; readonly values: number[]}[];
}
const keras = JSON.parse(readFileSync(join(project, 'test/fixtures/keras3_attention.json'), 'utf8')) as Stored;
saveModel(
  'keras',
  {format: 'layers-model', modelTopology: keras.modelTopology},
  keras.weights.map(({name, shape}) => ({name, shape, dtype: 'float32'})),
  [new Float32Array(keras.weights.flatMap(({values}) => values)).buffer],
);

function pageOf(title: string, body: string): string {
  return `<!doctype html>\n<meta charset="utf-8" />\n<link rel="icon" href="data:," />\n<title>${title}</title>\n<output></output>\n${body}\n`;
}

function saveModel(folder: string, model: object, weights: readonly object[], data: readonly ArrayBuffer[]): void {
  mkdirSync(`dist/${folder}`, {recursive: true});
  const manifest = [{paths: ['weights.bin'], weights}];
  writeFileSync(`dist/${folder}/model.json`, JSON.stringify({...model, weightsManifest: manifest}));
  writeFileSync(`dist/${folder}/weights.bin`, Buffer.concat(data.map((buffer) => new Uint8Array(buffer))));
}
