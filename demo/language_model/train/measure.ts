// Measures the weights that are shipped, float16 as they are, on the held-out text:
//   node --import ./test/support/node_webgpu.mjs --import tsx demo/language_model/train/measure.ts --corpus FOLDER [--weights FOLDER]
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
// For a bundle, where it runs first; without one, --import above has done it.
import '../../../test/support/node_webgpu.mjs';
import '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import {fromArtifacts} from '../load.js';
import {heldOutBits} from './evaluate.js';

const {values: options} = parseArgs({
  options: {
    /** Where corpus.ts wrote. */
    corpus: {type: 'string', default: '.cache/corpus'},
    weights: {type: 'string', default: 'demo/language_model/weights'},
    /** How many contexts of held-out text to measure. */
    held: {type: 'string', default: '96'},
  },
});

await tf.setBackend('webgpu');
const heldOut = readFileSync(join(options.corpus, 'held_out.bin'));
for (const variant of ['sparse', 'causal']) {
  const folder = join(options.weights, variant);
  const {weightsManifest, ...json} = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8')) as tf.io.ModelJSON;
  const bytes = readFileSync(join(folder, 'weights.bin'));
  const weightData = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  const model = fromArtifacts({...json, weightSpecs: weightsManifest.flatMap(({weights}) => weights), weightData}, folder);
  console.log(JSON.stringify({variant, ...(await heldOutBits(model, heldOut, Number(options.held)))}));
  model.dispose();
}
process.exit(0);
