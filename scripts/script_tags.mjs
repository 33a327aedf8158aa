// The script tags. `tfjs-splat.min.js` has the op with its options and the patterns, `tfjs-splat.extras.min.js` the rest, and
// `tfjs-splat.layers.min.js` the Keras layers, for pages that have tf.layers. Whoever calls something of the rest without it is told which
// file to add. All come from one build: the modules of EXTRAS, with what only they import, go into the second file, and in the first each
// of their functions is replaced by one that says what is missing.
import {createHash} from 'node:crypto';
import {fileURLToPath} from 'node:url';
import {rollup} from 'rollup';
import {minify} from 'terser';

/**
 * Modules of the second script that export functions and classes only, and what messages call them; null: each by its own name.
 *
 * @type {Record<string, string | null>}
 */
const EXTRAS = {
  'src/model/index.ts': null,
  'src/runtime/kv/kv_cache.ts': null,
  'src/runtime/helpers/merge.ts': null,
  'src/runtime/helpers/relative_bias.ts': null,
  'src/runtime/call/tune.ts': null,
  'src/runtime/host/debug.ts': 'the flag SPLAT_DEBUG',
  'src/runtime/call/prepare.ts': null,
  'src/runtime/open/create_backend.ts': null,
  'src/runtime/capture/capture.ts': null,
  'src/runtime/helpers/pattern_from_mask.ts': null,
  'src/runtime/ops/norm.ts': null,
  'src/runtime/ops/activation.ts': null,
  'src/runtime/products/compressed_mask.ts': 'BlockSparseDense',
  'src/runtime/products/block_sparse.ts': null,
  'src/runtime/products/block_mask_of.ts': null,
  'src/runtime/products/plan_block_sparse.ts': null,
  'src/runtime/scores/sddmm.ts': null,
  'src/runtime/scores/sparse_matrix.ts': null,
  'src/runtime/scores/sparse_scores.ts': null,
  'src/runtime/scores/sparse_softmax.ts': null,
  'src/runtime/scores/spmm.ts': null,
  'src/plan_attention.ts': null,
  'src/plan/check_device.ts': 'planAttention',
  'src/acsr/equals.ts': null,
  'src/pattern/parse.ts': null,
  'src/pattern/from_json.ts': null,
  'src/pattern/from_mask.ts': null,
  'src/pattern/per_head.ts': null,
  'src/pattern/mask_text.ts': 'fromMask',
  'src/runtime/launch/launch_gradients.ts': 'the gradient of sparseAttention',
  'src/runtime/tf_ops/dense_gradients.ts': 'the gradient of sparseAttention',
  'src/wgsl/generate_gradients.ts': 'the gradient of sparseAttention',
  'src/plan/gradient_plan.ts': 'the gradient of sparseAttention',
  'src/wgsl/generate_decode.ts': 'KvCache',
  'src/plan/decode_plan.ts': 'KvCache',
  'src/wgsl/around/convert.ts': "precision 'float16'",
  'src/wgsl/generate_rounding.ts': "precision 'float16'",
  'src/wgsl/matrix/matrix.ts': 'tensor cores',
};

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DOOR = `${ROOT}src/umd.ts`;
const LAYERS = `${ROOT}src/layers/index.ts`;
const REGISTRY = `${ROOT}src/umd_extras.ts`;
const GLOBALS = {'@tensorflow/tfjs-core': 'tf', '@tensorflow/tfjs-converter': 'tf', '@tensorflow/tfjs-layers': 'tf'};
const [EXTRAS_ENTRY, LAYERS_ENTRY, STAND_IN, CORE] = ['\0extras', '\0layers', '\0stand-in:', './core.js'];

/**
 * What rollup must be told beside the plugins.
 *
 * @type {import('rollup').RollupOptions}
 */
export const SCRIPT_BUILD = {
  input: {core: DOOR, extras: EXTRAS_ENTRY, layers: LAYERS_ENTRY},
  preserveEntrySignatures: 'allow-extension',
};
/** @type {import('rollup').OutputOptions} */
export const SCRIPT_OUTPUT = {dir: 'dist', format: 'es', entryFileNames: '[name].js'};

/**
 * A rollup plugin: resolves the entries and the stand-ins, and writes the scripts, wrapped and minified.
 *
 * @param {{version: string, banner: string}} release
 * @returns {import('rollup').Plugin}
 */
export function scripts({version, banner}) {
  const things = new Map(Object.entries(EXTRAS).map(([path, thing]) => [ROOT + path, thing]));
  return {
    name: 'script-tags',
    async resolveId(source, importer) {
      if (source === EXTRAS_ENTRY || source === LAYERS_ENTRY) return source;
      if (importer === undefined || importer === EXTRAS_ENTRY || importer === LAYERS_ENTRY) return null;
      const found = await this.resolve(source, importer, {skipSelf: true});
      return found && things.has(found.id) ? STAND_IN + found.id : found;
    },
    async load(id) {
      // Only what is called can be stood in for: a module of the first script that imports a constant of the second has no such export.
      const namesOf = /** @param {string} path */ async (path) =>
        ((await this.load({id: path})).exports ?? []).filter((name) => !/^[A-Z_]+$/.test(name));
      if (id === LAYERS_ENTRY) return layersDoor();
      if (id === EXTRAS_ENTRY)
        return extrasDoor(await Promise.all([...things.keys()].map(async (path) => ({path, names: await namesOf(path)}))));
      if (!id.startsWith(STAND_IN)) return null;
      const path = id.slice(STAND_IN.length);
      return standIns(await namesOf(path), things.get(path) ?? null);
    },
    async generateBundle(_, bundle) {
      const {'core.js': core, 'extras.js': extras, 'layers.js': layers, ...others} = bundle;
      if (Object.keys(others).length > 0) this.error(`the scripts share ${Object.keys(others).join(', ')}`);
      if (core?.type !== 'chunk' || extras?.type !== 'chunk' || layers?.type !== 'chunk') this.error('a script is missing');
      for (const file of Object.keys(bundle)) delete bundle[file];
      const build = createHash('sha256').update(core.code).digest('hex').slice(0, 8);
      /**
       * @param {string} name
       * @param {string} code
       */
      const emit = async (name, code) =>
        this.emitFile({type: 'asset', fileName: `tfjs-splat.${name}`, source: await minified(code, banner)});
      await emit('min.js', await wrapCore(core.code, build));
      for (const [name, {code}] of Object.entries({'extras.min.js': extras, 'layers.min.js': layers}))
        await emit(name, guard(name, version, build) + (await wrapOther(code, build)));
    },
  };
}

/**
 * @param {string[]} names
 * @param {string | null} thing
 */
const standIns = (names, thing) =>
  `import {extra} from ${JSON.stringify(REGISTRY)};\n` +
  names.map((name) => `export const ${name} = /*#__PURE__*/ extra('${name}', ${JSON.stringify(thing ?? name)});\n`).join('');

/**
 * Registers the real functions, and puts the public ones in place in `tf.splat`.
 *
 * @param {{path: string, names: string[]}[]} modules
 */
function extrasDoor(modules) {
  const imports = modules.map(({path, names}) => `import {${names.join(', ')}} from ${JSON.stringify(path)};`);
  return `${imports.join('\n')}
import {splat} from ${JSON.stringify(DOOR)};
import {extras} from ${JSON.stringify(REGISTRY)};
Object.assign(extras, {${modules.flatMap(({names}) => names).join(', ')}});
for (const name in extras) {
  // Only what is called can be stood in for.
  if (typeof extras[name] !== 'function') throw new Error(name);
  if (name in splat) splat[name] = extras[name];
}
`;
}

const layersDoor = () => `import * as layers from ${JSON.stringify(LAYERS)};
import {splat} from ${JSON.stringify(DOOR)};
Object.assign(splat, layers);
`;

/**
 * `tf.splat.parts` hands the other scripts what they share with the first, under the name of this very build.
 *
 * @param {string} code
 * @param {string} build
 */
const wrapCore = async (code, build) =>
  once(
    await wrap(
      `import * as core from '${CORE}';
const {sparseAttention, splat} = core;
Object.defineProperty(splat, 'parts', {value: {'${build}': core}});
export {sparseAttention, splat};`,
      {[CORE]: code},
      {format: 'umd', name: 'tf', extend: true, globals: GLOBALS},
    ),
    build,
  );

/**
 * The first script as a page may load it: a second tag of the same build does nothing (its ops would look for the second script in a
 * registry of their own), and one that comes too early says what is missing. A loader of modules (AMD, CommonJS) brings TensorFlow.js itself.
 *
 * @param {string} code
 * @param {string} build
 */
export const once = (code, build) => `if (typeof exports !== 'object' && typeof define !== 'function' && !globalThis.tf?.registerOp)
  throw new Error('tfjs-splat.min.js: found no tf, expected tf.min.js, or tf-core.min.js and tf-converter.min.js. Put its script tag first.');
if (!globalThis.tf?.splat?.parts?.['${build}']) {
${code}
}`;

/**
 * @param {string} code
 * @param {string} build
 */
const wrapOther = (code, build) => wrap(code, {}, {format: 'iife', globals: {...GLOBALS, core: `tf.splat.parts['${build}']`}});

/**
 * @param {string} name
 * @param {string} version
 * @param {string} build
 */
const guard = (name, version, build) => `if (!globalThis.tf?.splat?.parts?.['${build}'])
  throw new Error('tfjs-splat.${name}: found no tfjs-splat.min.js of its build, expected that of version ${version}. ' +
    'Put the script tag of tfjs-splat.min.js first, both from the same version.');
${name === 'layers.min.js' ? LAYERS_GUARD : ''}`;

const LAYERS_GUARD = `if (!globalThis.tf.layers)
  throw new Error('tfjs-splat.layers.min.js: found no tf.layers, expected tf.min.js or tf-layers.min.js. Put its script tag first.');
`;

/**
 * @param {string} entry
 * @param {Record<string, string>} modules
 * @param {import('rollup').OutputOptions} output
 */
async function wrap(entry, modules, output) {
  const build = await rollup({
    input: 'entry',
    external: ['core', ...Object.keys(GLOBALS)],
    plugins: [
      {
        name: 'from-memory',
        resolveId: (id) => (id === CORE && !(CORE in modules) ? {id: 'core', external: true} : id),
        load: (id) => (id === 'entry' ? entry : (modules[id] ?? null)),
      },
    ],
  });
  const {output: chunks} = await build.generate({...output, interop: 'esModule', externalLiveBindings: false, freeze: false});
  return chunks[0].code;
}

/**
 * @param {string} code
 * @param {string} preamble
 */
async function minified(code, preamble) {
  /** @type {import('terser').MinifyOptions} */
  const options = {ecma: 2020, compress: {passes: 3}, format: {preamble}};
  return `${(await minify(code, options)).code}\n`;
}

/** @typedef {{start: number, end: number}} Place Offsets in the code. */

/**
 * A rollup plugin, after the compiler: takes comments and indentation out of the templates of `src/wgsl`. The WGSL that a script tag runs
 * differs from that of the modules in these alone.
 *
 * @returns {import('rollup').Plugin}
 */
export function bareWgsl() {
  return {
    name: 'bare-wgsl',
    transform(code, id) {
      if (!id.startsWith(`${ROOT}src/wgsl/`)) return null;
      /** @type {Place[]} */
      const templates = [];
      /** @param {unknown} node of the syntax tree, or what hangs on one. */
      const visit = (node) => {
        if (typeof node !== 'object' || node === null) return;
        if ('type' in node && node.type === 'TemplateElement') templates.push(/** @type {typeof node & Place} */ (node));
        else Object.values(node).forEach(visit);
      };
      visit(this.parse(code));
      let bare = '';
      let end = 0;
      for (const template of templates.sort((a, b) => a.start - b.start)) {
        // The parser counts the delimiters of a piece in or out, as versions go: the text itself says where it lies.
        bare += code.slice(end, template.start) + withoutComments(code.slice(template.start, template.end));
        end = template.end;
      }
      return {code: bare + code.slice(end), map: null};
    },
  };
}

/**
 * Only whole comments: one that a `${…}` interrupts goes on in the next piece. A line may end by an escape as well.
 *
 * @param {string} wgsl
 */
const withoutComments = (wgsl) => wgsl.replace(/[ \t]*\/\/(?:(?!\\n)[^\n])*(?=\n|\\n)/g, '').replace(/\n\s+/g, '\n');
