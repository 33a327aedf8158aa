import * as tf from '@tensorflow/tfjs-core';
import type {ModelConfig, Variant} from './config.js';
import {PROJECTIONS, weightShapes, type Weights} from './network.js';

/** A trained model on the active backend. */
export interface ByteModel {
  readonly config: ModelConfig;
  readonly variant: Variant;
  readonly weights: Weights;
  /** What training said: steps, context, bits per byte on text that it never saw. */
  readonly training: Training;
  dispose(): void;
}

export interface Training {
  readonly variant: Variant;
  readonly steps: number;
  readonly sequences: number;
  readonly context: number;
  /** Contexts of held-out text that were measured. */
  readonly contexts: number;
  readonly bitsPerByte: number;
  /** The same over the second half of each context. */
  readonly secondHalf: number;
}

interface Metadata {
  readonly config: ModelConfig;
  readonly training: Training;
}

/**
 * Loads model.json and the weights beside it (float16, 7 MB), in the format of `tf.io`.
 *
 * @param onProgress Called with the share of the weights that has arrived, 0 to 1.
 */
export async function loadByteModel(url: string, onProgress?: (fraction: number) => void): Promise<ByteModel> {
  const artifacts = await tf.io.http(url, {onProgress}).load!();
  return fromArtifacts(artifacts, url);
}

export function fromArtifacts({userDefinedMetadata, weightData, weightSpecs}: tf.io.ModelArtifacts, from: string): ByteModel {
  const {config, training} = (userDefinedMetadata ?? {}) as unknown as Partial<Metadata>;
  if (config === undefined || training === undefined || weightSpecs === undefined || weightData === undefined) {
    throw new Error(`${from} is no byte model: it lacks a config, weights or what is known of its training.`);
  }
  const data = Array.isArray(weightData) ? tf.io.concatenateArrayBuffers(weightData) : weightData;
  const weights = joinProjections(tf.io.decodeWeights(data as ArrayBuffer, weightSpecs), config);
  for (const [name, shape] of Object.entries(weightShapes(config))) {
    const found = weights[name]?.shape.join(' × ');
    if (found === shape.join(' × ')) continue;
    tf.dispose(weights);
    throw new Error(`${from}: the weight '${name}' is ${found ?? 'missing'}, and must be ${shape.join(' × ')}.`);
  }
  return {config, training, variant: training.variant, weights: weights as Weights, dispose: () => tf.dispose(weights)};
}

/**
 * The weights with one matrix for query, key and value of a layer in place of three, which files of before 2026-12 have. What they take
 * stays the same: decoded numbers are still on the processor, where they are laid side by side before the first run uploads them.
 */
function joinProjections(weights: tf.NamedTensorMap, {layers}: ModelConfig): tf.NamedTensorMap {
  const joined = {...weights};
  for (const layer of layers.keys()) {
    const names = PROJECTIONS.map((name) => `${layer}/${name}`);
    const parts = names.flatMap((name) => weights[name] ?? []);
    // What is no matrix of so many rows is named by the check of shapes, which misses it under its new name.
    const [rows] = parts[0]?.shape ?? [];
    if (parts.length < names.length || parts.some(({rank, shape}) => rank !== 2 || shape[0] !== rows)) continue;
    joined[`${layer}/queryKeyValue`] = sideBySide(parts as tf.Tensor2D[]);
    for (const name of names) delete joined[name];
    tf.dispose(parts);
  }
  return joined;
}

/** Matrices of as many rows as one, without the GPU. */
function sideBySide(parts: readonly tf.Tensor2D[]): tf.Tensor2D {
  const rows = parts[0]!.shape[0];
  const width = parts.reduce((sum, {shape}) => sum + shape[1], 0);
  const values = new Float32Array(rows * width);
  let at = 0;
  for (const part of parts) {
    const columns = part.shape[1];
    const from = part.dataSync<'float32'>();
    for (let row = 0; row < rows; row++) values.set(from.subarray(row * columns, (row + 1) * columns), row * width + at);
    at += columns;
  }
  return tf.tensor2d(values, [rows, width]);
}
