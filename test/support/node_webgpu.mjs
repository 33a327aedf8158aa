// Gives Node a `navigator.gpu` before TensorFlow.js is imported: `node --import ./test/support/node_webgpu.mjs ...`.
//
// The driver is the first of these with which Dawn finds an adapter: the one that VK_DRIVER_FILES or VK_ICD_FILENAMES names, the
// system's, SwiftShader from the npm package @sparticuz/chromium. (Debian 12's own Mesa is refused: Dawn asks for features that its
// software driver lacks, and requestAdapter gives null.)
import {constants, tmpdir} from 'node:os';
import {join} from 'node:path';
import {create, globals} from 'webgpu';
import {canUnpack, unpackChromium} from '../../scripts/unpack_chromium.mjs';

const FLAGS = [
  // f16 on NVIDIA under Vulkan is off by default; elsewhere the name does nothing. Unsafe APIs: subgroup matrices, timestamps.
  'enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia',
  // Otherwise GPU timestamps come in steps of 65.536 us.
  'disable-dawn-features=timestamp_quantization',
];

// Vulkan drivers want a writable place of their own; a container has none.
process.env.XDG_RUNTIME_DIR ??= tmpdir();
/**
 * A collected instance takes the process down within seconds, also one that found no adapter: all stay referenced.
 *
 * @type {GPU[]}
 */
const instances = [];
Object.assign(globalThis, {dawnInstances: instances});

Object.assign(globalThis, globals);
const named = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES;
let gpu = await instanceWithAdapter();
if (gpu === null && !named && canUnpack()) {
  const folder = unpackChromium();
  loadVulkan(join(folder, 'libvulkan.so.1'));
  process.env.VK_DRIVER_FILES = join(folder, 'vk_swiftshader_icd.json');
  process.env.VK_ICD_FILENAMES = process.env.VK_DRIVER_FILES;
  gpu = await instanceWithAdapter();
}
if (gpu === null) {
  const cure = named
    ? `The driver named by the environment (${named}) gives none.`
    : 'Install a Vulkan driver, or point VK_DRIVER_FILES at one.';
  throw new Error(`No WebGPU adapter for Node. ${cure}`);
}
Object.defineProperty(globalThis, 'navigator', {value: {gpu}, configurable: true, writable: true});
if ((await gpu.requestAdapter())?.info.isFallbackAdapter) restBetweenQuestions();

async function instanceWithAdapter() {
  const instance = create(FLAGS);
  instances.push(instance);
  return (await instance.requestAdapter()) ? instance : null;
}

/**
 * Makes a Vulkan loader known to this process where the system has none. Dawn asks for `libvulkan.so.1` by name, and the dynamic linker
 * answers with a library of that name that is loaded already. It is no Node addon, so Node throws after loading it; NODELETE keeps it.
 *
 * @param {string} path
 */
function loadVulkan(path) {
  const NODELETE = 0x1000;
  try {
    process.dlopen({exports: {}}, path, constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | NODELETE);
  } catch {
    // "Module did not self-register": expected, see above.
  }
}

/**
 * While something is awaited of a device, Dawn asks its driver in every turn of the event loop, 40,000 times a second, with garbage for
 * each. A GPU does not mind; a driver that computes on the same cores does, and so does a browser beside it: a model that ran for a minute
 * in software spent 30 s of a core on questions. After 200 in a row they come once in a millisecond.
 */
function restBetweenQuestions() {
  const {setImmediate} = globalThis;
  let inARow = 0;
  let asking = false;
  /** @param {Function} callback Dawn's has no name, and no text. */
  const isDawns = (callback) => callback.name === '' && String(callback) === 'function () { [native code] }';
  /** @type {(callback: (...args: any[]) => void, ...args: any[]) => unknown} */
  const patient = (callback, ...args) => {
    if (!isDawns(callback)) return setImmediate(callback, ...args);
    // From outside of a question: of something new.
    inARow = asking ? inARow + 1 : 0;
    const ask = () => {
      asking = true;
      try {
        callback(...args);
      } finally {
        asking = false;
      }
    };
    return inARow < 200 ? setImmediate(ask) : setTimeout(ask, 1);
  };
  Object.assign(globalThis, {setImmediate: patient});
}
