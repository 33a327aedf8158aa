// Which files of test/gpu a browser runs. Node runs all of them.
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {ROOT} from './steps.mjs';

/** @typedef {'chromium' | 'firefox'} Browser */

/**
 * The one browser that runs a file or a folder; both run what is not here. What calls compute runs in Firefox, for Chromium has the
 * compiler and the adapter of Node; what the runtime decides in JavaScript runs in Chromium, for it is the same with any compiler.
 *
 * @type {Readonly<Record<string, Browser | 'none'>>}
 */
const ONLY = {
  // Minutes of combinations.
  'matrix/': 'none',
  'kernels/': 'firefox',
  'gradients.test.ts': 'firefox',
  'kv_cache.test.ts': 'firefox',
  'launch_ranges.test.ts': 'firefox',
  'mask_tensor.test.ts': 'firefox',
  'ops.test.ts': 'firefox',
  'options.test.ts': 'firefox',
  'products.test.ts': 'firefox',
  'score_terms.test.ts': 'firefox',
  'scores.test.ts': 'firefox',
  'second_derivatives.test.ts': 'firefox',
  'within.test.ts': 'firefox',
  'byte_model.test.ts': 'chromium',
  'capture_refused.test.ts': 'chromium',
  'capture_steps_traps.test.ts': 'chromium',
  'debug_mode.test.ts': 'chromium',
  'gradients_training.test.ts': 'chromium',
  'layers.test.ts': 'chromium',
  'model_swap.test.ts': 'chromium',
  'model_zoo.test.ts': 'chromium',
  'recurring_mask.test.ts': 'chromium',
  'remember.test.ts': 'chromium',
  'repeated_calls.test.ts': 'chromium',
  // Headless Firefox has no WebGL.
  'runtime_webgl.test.ts': 'chromium',
};

/**
 * The files for a browser, or, whichever is theirs, those whose path contains one of `wanted`.
 *
 * @param {Browser} browser
 * @param {readonly string[]} [wanted]
 */
export function gpuSpecs(browser, wanted = []) {
  const folder = join(ROOT, 'test/gpu');
  const files = readdirSync(folder, {recursive: true, encoding: 'utf8'})
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.test.ts'))
    .sort();
  const gone = Object.keys(ONLY).find((name) => !files.some((path) => path.startsWith(name)));
  if (gone !== undefined) throw new Error(`scripts/gpu_specs.mjs: found '${gone}', expected a file or a folder of test/gpu.`);
  const runs = (/** @type {string} */ path) => {
    const name = Object.keys(ONLY).find((each) => path.startsWith(each));
    return name === undefined || ONLY[name] === browser;
  };
  return files
    .map((path) => ({path: `test/gpu/${path}`, own: runs(path)}))
    .filter(({path, own}) => (wanted.length === 0 ? own : wanted.some((name) => path.includes(name))))
    .map(({path}) => path);
}
