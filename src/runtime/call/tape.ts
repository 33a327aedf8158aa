import * as tf from '@tensorflow/tfjs-core';
import {refuse} from '../../support/index.js';

/** Ops of which hardly a loss does without all. */
const COMMON = [
  ...[
    'Sum',
    'Mean',
    'Prod',
    'Max',
    'Min',
    'Add',
    'AddN',
    'Sub',
    'Multiply',
    'RealDiv',
    'Square',
    'SquaredDifference',
    'Sqrt',
    'Pow',
  ],
  ...[
    'Abs',
    'Neg',
    'Exp',
    'Log',
    'Softmax',
    'LogSoftmax',
    'BatchMatMul',
    'Relu',
    'Tanh',
    'Sigmoid',
    'Cast',
    'Reshape',
    'Transpose',
  ],
  ...['Slice', 'Concat', 'GatherV2', 'Select', 'ExpandDims', 'SplitV', 'Unpack', 'Pack', 'Tile', 'Identity'],
];
let looked = false;

/**
 * Whether a gradient may be asked for. `isTapeOn` is private in TypeScript; without it we save what only a gradient needs.
 *
 * Who trains with @tensorflow/tfjs-core alone has gradients of none of its ops, and would only hear "gradient function not found for Sum".
 * Then the ops above get gradients that refuse with the cure; registering the real ones later takes their place.
 */
export function isTapeOn(): boolean {
  const on = (tf.engine() as unknown as {isTapeOn?(): boolean}).isTapeOn?.() ?? true;
  if (!on || looked) return on;
  looked = true;
  if (COMMON.every((kernelName) => tf.getGradient(kernelName) == null)) {
    for (const kernelName of COMMON) tf.registerGradient({kernelName, gradFunc: () => refuseGradient(kernelName)});
  }
  return on;
}

const refuseGradient = (kernelName: string): never =>
  refuse(
    `gradient of ${kernelName}`,
    'none registered for the ops of TensorFlow.js',
    'those that come with @tensorflow/tfjs',
    "Import '@tensorflow/tfjs' first, or, where a bundler resolves it, '@tensorflow/tfjs-core/dist/register_all_gradients'.",
  );
