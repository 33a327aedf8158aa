import * as tf from '@tensorflow/tfjs-core';
import type {ModelConfig, Variant} from './config.js';
import {weightShapes, type Weights} from './network.js';

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
  const weights = tf.io.decodeWeights(data as ArrayBuffer, weightSpecs) as unknown as Weights;
  for (const [name, shape] of Object.entries(weightShapes(config))) {
    const found = weights[name]?.shape.join(' × ');
    if (found === shape.join(' × ')) continue;
    tf.dispose(weights as unknown as tf.NamedTensorMap);
    throw new Error(`${from}: the weight '${name}' is ${found ?? 'missing'}, and must be ${shape.join(' × ')}.`);
  }
  return {config, training, variant: training.variant, weights, dispose: () => tf.dispose(weights as unknown as tf.NamedTensorMap)};
}
