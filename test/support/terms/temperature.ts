import * as tf from '@tensorflow/tfjs-core';
import type {Tensor} from '@tensorflow/tfjs-core';
import {byHead} from '../../../src/runtime/terms/part.js';
import type {CallTerm} from '../../../src/runtime/terms/term.js';
import type {ScoreTerm} from '../../../src/wgsl/terms/term.js';

declare module '../../../src/wgsl/text/features.js' {
  interface Features {
    readonly temperature?: boolean;
  }
}
declare module '../../../src/wgsl/text/program.js' {
  interface TermRoles {
    /** [heads] */
    readonly temperatures: 1;
  }
}

/** Products times a constant of each head, before a softcap: where a gradient comes back to them it takes the factor, too. */
export const temperature: ScoreTerm = {
  name: 'temperature',
  brings: [{role: 'temperatures', words: ({heads, packedHeads}) => heads * packedHeads, floats: true}],
  query: (a, {head}) => `let temperature${a} = extra(params.temperatures + ${head});`,
  moves: (score, a) => `(${score} * temperature${a})`,
  slope: {of: (_, a) => `temperature${a}`},
};

export interface TemperatureOptions {
  /** [heads] */
  readonly temperatures?: Tensor | null | undefined;
}

export const temperatureCall: CallTerm<TemperatureOptions> = {
  name: 'temperature',
  options: {temperatures: true},
  roles: ['temperatures'],
  check: ({temperatures}) => (temperatures === undefined ? {} : {tensors: {temperatures: temperatures as tf.Tensor1D}}),
  example: ({heads}) => ({tensors: {temperatures: tf.ones([heads])}}),
  ops: {
    moves(scores, {inputs}) {
      const factors = byHead(inputs.temperatures!);
      return {scores: tf.mul(scores, factors), slope: () => factors};
    },
  },
};
