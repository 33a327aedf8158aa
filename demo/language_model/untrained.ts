import * as tf from '@tensorflow/tfjs-core';
import {CONTEXT, type ModelConfig, type Variant} from './config.js';
import type {ByteModel} from './load.js';
import {weightShapes} from './network.js';
import {splitMix} from './random.js';

/** A model of small random weights, the same in every run: it writes nonsense as fast as a trained one writes text. */
export function untrainedModel(config: ModelConfig, variant: Variant): ByteModel {
  const entries = Object.entries(weightShapes(config)).map(([name, shape], i) => {
    const random = splitMix(i);
    return [
      name,
      tf.tensor2d(
        Float32Array.from({length: shape[0] * shape[1]}, () => random() - 0.5),
        shape,
      ),
    ] as const;
  });
  const weights = Object.fromEntries(entries);
  const training = {variant, steps: 0, sequences: 0, context: CONTEXT, contexts: 0, bitsPerByte: NaN, secondHalf: NaN};
  return {config, variant, weights, training, dispose: () => tf.dispose(weights)};
}
