import {readFileSync} from 'node:fs';
import {io, type DataType} from '@tensorflow/tfjs-core';
import type {GraphDef} from '../../src/model/graph/graph.js';
import type {GraphArtifacts} from './hand_made_graph.js';

interface CaseFile {
  readonly modelTopology: GraphDef;
  readonly signature: {readonly inputs: object; readonly outputs: object};
  readonly weights: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly dtype: 'float32' | 'int32' | 'bool';
    readonly v: readonly (number | string | boolean)[];
  }[];
  readonly inputs: Readonly<Record<string, {readonly shape: readonly number[]; readonly dtype: DataType}>>;
}

/** A graph of test/fixtures/graph_cases as a loadable model, and what it takes; −1 is any size. */
export interface GraphCase {
  readonly artifacts: GraphArtifacts;
  readonly inputs: CaseFile['inputs'];
}

export function graphCase(name: string): GraphCase {
  const url = new URL(`../fixtures/graph_cases/${name}.json`, import.meta.url);
  const {modelTopology, signature, weights, inputs} = JSON.parse(readFileSync(url, 'utf8')) as CaseFile;
  const buffers = weights.map(({dtype, v}) => {
    const values = v.map(Number);
    if (dtype === 'bool') return Uint8Array.from(values).buffer;
    return dtype === 'int32' ? Int32Array.from(values).buffer : Float32Array.from(values).buffer;
  });
  return {
    artifacts: {
      modelTopology,
      signature,
      weightSpecs: weights.map(({name, shape, dtype}) => ({name, shape: [...shape], dtype})),
      weightData: io.CompositeArrayBuffer.join(buffers),
    },
    inputs,
  };
}
