import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import type {GraphNode} from '@tensorflow/tfjs-converter';
import {GELU, gelu, LAYER_NORM, normed, RMS_NORM, SILU, silu, type Approximation, type NormName} from '../../runtime/index.js';
import {refuse, say} from '../../support/index.js';

type Execute = (node: GraphNode) => Tensor | Tensor[];

/**
 * How the graph executor runs nodes of these ops. Norms: inputs x, then gamma, beta and residual where `hasGamma`, `hasBeta` and
 * `hasResidual` say so, and `epsilon`; output 0 is the norm, output 1, where `withSum` is set, x + residual. Activations: input x;
 * `approximate` of GELU is a text or a boolean, as that of `gelu`. The executor does not clean up after foreign ops, hence the tidies.
 */
export const NORMS_AND_ACTIVATIONS: Readonly<Record<string, Execute>> = {
  [LAYER_NORM]: normNode('layerNorm', LAYER_NORM),
  [RMS_NORM]: normNode('rmsNorm', RMS_NORM),
  [GELU]: (node) => {
    const approximate = node.attrs['approximate'] as boolean | Approximation | undefined;
    return tf.tidy(() => gelu(onlyInput(GELU, node), {approximate}));
  },
  [SILU]: (node) => tf.tidy(() => silu(onlyInput(SILU, node))),
};

function normNode(name: NormName, op: string): Execute {
  return ({inputs, attrs}) => {
    const flag = (attribute: string): boolean => {
      const value: unknown = attrs[attribute] ?? false;
      return typeof value === 'boolean' ? value : refuseNode(op, `attribute ${attribute} = ${say(value)}`, 'true or false');
    };
    const wanted = [true, flag('hasGamma'), flag('hasBeta'), flag('hasResidual')];
    const withSum = flag('withSum');
    const count = wanted.filter(Boolean).length;
    if (inputs.length !== count) refuseNode(op, `${inputs.length} inputs`, `${count}, as its attributes say`);
    const rest = [...inputs];
    const [x, gamma, beta, residual] = wanted.map((there) => (there ? rest.shift() : undefined)) as [
      Tensor,
      ...(Tensor | undefined)[],
    ];
    const epsilon = attrs['epsilon'] as number | undefined;
    return tf.tidy(() => {
      if (residual === undefined || residual.shape.join() === x.shape.join()) {
        const tensors = normed(name, x, gamma, beta, {epsilon, residual}, withSum);
        return withSum ? tensors : tensors[0]!;
      }
      // One of them stands for several rows, as a sum in a graph may.
      const sum = tf.add(x, residual);
      const [output] = normed(name, sum, gamma, beta, {epsilon}, false);
      return withSum ? [output!, sum] : output!;
    });
  };
}

function onlyInput(op: string, {inputs}: GraphNode): Tensor {
  if (inputs.length !== 1) refuseNode(op, `${inputs.length} inputs`, 'one');
  return inputs[0]!;
}

const refuseNode = (op: string, found: string, expected: string): never =>
  refuse(
    `a ${op} node`,
    found,
    expected,
    'The graph was changed by hand or is of another version: write it anew from the original.',
  );
