/**
 * Writes the demo's model as the TensorFlow.js converter would: model.json and its weights in shards.
 *
 *     node --import tsx demo/swap/make_example.ts [folder]          default: dist/site/swap/example
 */
import {mkdir, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {EXAMPLE, makeEncoder} from './example_model.js';

// The converter's default is 4 MiB; this is its --weight_shard_size_bytes. TensorFlow.js reads no body before all shards have answered,
// and a browser opens six connections to a server: a seventh shard would wait forever.
const SHARD_BYTES = 8 * 1024 * 1024;

const folder = process.argv[2] ?? 'dist/site/swap/example';
const {weightSpecs, weightData, ...model} = makeEncoder(EXAMPLE);
const shards = Math.ceil(weightData.byteLength / SHARD_BYTES);
const paths = Array.from({length: shards}, (_, i) => `group1-shard${i + 1}of${shards}.bin`);
await rm(folder, {recursive: true, force: true});
await mkdir(folder, {recursive: true});
await writeFile(join(folder, 'model.json'), JSON.stringify({...model, weightsManifest: [{paths, weights: weightSpecs}]}));
for (const [i, path] of paths.entries()) {
  await writeFile(join(folder, path), new Uint8Array(weightData.slice(i * SHARD_BYTES, (i + 1) * SHARD_BYTES)));
}
console.log(
  `${folder}: ${model.modelTopology.node.length} nodes, ${(weightData.byteLength / 1e6).toFixed(1)} MB of weights in ${shards} files`,
);
