import {io} from '@tensorflow/tfjs-core';
import type {GraphDef, NodeDef} from '../../src/model/graph/graph.js';

/** Artifacts whose topology is known to be a graph. */
export type GraphArtifacts = io.ModelArtifacts & {modelTopology: GraphDef};

/** A constant of a hand-made graph: a float scalar, or values of a given shape. */
export type Constant = number | {readonly shape: readonly number[]; readonly values: readonly number[]; readonly int?: true};

/** A hand-made graph as a loadable model. The `Const` nodes are added; placeholders are declared as nodes. */
export function handMade(
  nodes: readonly NodeDef[],
  constants: Readonly<Record<string, Constant>>,
  outputs: readonly string[],
): GraphArtifacts {
  const entries = Object.entries(constants).map(([name, constant]) => {
    const {shape, values, int} = typeof constant === 'number' ? {shape: [], values: [constant], int: undefined} : constant;
    return {name, shape: [...shape], values, dtype: int ? ('int32' as const) : ('float32' as const)};
  });
  const consts = entries.map(({name, dtype}) => ({
    name,
    op: 'Const',
    attr: {dtype: {type: dtype === 'int32' ? 'DT_INT32' : 'DT_FLOAT'}},
  }));
  return {
    modelTopology: {node: [...consts, ...nodes], library: {}, versions: {producer: 440}},
    weightSpecs: entries.map(({name, shape, dtype}) => ({name, shape, dtype})),
    weightData: io.CompositeArrayBuffer.join(entries.map(({values, dtype}) => encode(values, dtype))),
    ...(outputs.length > 0 && {
      signature: {inputs: {}, outputs: Object.fromEntries(outputs.map((name) => [name, {name: `${name}:0`}]))},
    }),
  };
}

/** Uniform in [0, 1): the 32-bit generator mulberry32. */
export function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Values as a weight file has them. */
export function encode(values: readonly number[], dtype: io.WeightsManifestEntry['dtype']): ArrayBuffer {
  if (dtype === 'bool') return Uint8Array.from(values).buffer;
  return dtype === 'int32' ? Int32Array.from(values).buffer : Float32Array.from(values).buffer;
}
