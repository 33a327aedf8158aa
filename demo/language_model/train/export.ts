import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {toHalfBits} from './half_bits.js';
import type {ModelConfig} from '../config.js';
import type {Weights} from '../network.js';

/** Writes model.json and weights.bin, float16, as `tf.io` reads them. */
export async function exportModel(folder: string, config: ModelConfig, weights: Weights, training: object): Promise<void> {
  const entries = Object.entries(weights).map(([name, tensor]) => ({
    name,
    shape: tensor.shape,
    dtype: 'float32',
    quantization: {dtype: 'float16', original_dtype: 'float32'},
  }));
  const arrays = await Promise.all(Object.values(weights).map((tensor) => tensor.data()));
  const halves = arrays.map((array) => Uint16Array.from(array, toHalfBits));
  mkdirSync(folder, {recursive: true});
  writeFileSync(join(folder, 'weights.bin'), Buffer.concat(halves.map((half) => Buffer.from(half.buffer))));
  const model = {
    format: 'tfjs-splat-byte-model',
    generatedBy: 'tfjs-splat, demo/language_model/train/train.ts',
    userDefinedMetadata: {config, training},
    weightsManifest: [{paths: ['weights.bin'], weights: entries}],
  };
  writeFileSync(join(folder, 'model.json'), `${JSON.stringify(model)}\n`);
}
