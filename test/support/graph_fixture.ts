import {readFileSync} from 'node:fs';
import {io, util} from '@tensorflow/tfjs-core';
import type {GraphDef, NodeDef} from '../../src/model/graph/graph.js';

/** Artifacts whose topology is known to be a graph. */
export type GraphArtifacts = io.ModelArtifacts & {modelTopology: GraphDef};

interface FixtureFile {
  readonly modelTopology: GraphDef;
  readonly signature?: object;
  readonly userDefinedMetadata?: Record<string, object>;
  readonly weightsManifest: readonly {readonly weights: readonly io.WeightsManifestEntry[]}[];
  readonly constValues: Readonly<Record<string, Nested>>;
}

type Nested = number | boolean | readonly Nested[];

const read = new Map<string, GraphArtifacts>();

/**
 * A topology of test/fixtures/graphs as a loadable model: known constants as recorded, all else uniform in ±0.2 (0 where it is no
 * float). Shared: change a copy.
 */
export function graphFixture(name: string): GraphArtifacts {
  const known = read.get(name) ?? readFixture(name);
  read.set(name, known);
  return known;
}

function readFixture(name: string): GraphArtifacts {
  const url = new URL(`../fixtures/graphs/${name}.json`, import.meta.url);
  const file = JSON.parse(readFileSync(url, 'utf8')) as FixtureFile;
  const random = uniform(1);
  const weightSpecs = file.weightsManifest.flatMap(({weights}) => weights).map(({name, shape, dtype}) => ({name, shape, dtype}));
  const chunks = weightSpecs.map(({name, shape, dtype}) => {
    const known = file.constValues[name];
    const count = util.sizeFromShape(shape);
    if (known === undefined)
      return encode(
        Array.from({length: count}, () => (random() - 0.5) * 0.4),
        dtype,
      );
    const values = flatten(known);
    if (values.length !== count) throw new Error(`${name}: ${values.length} values for the shape [${shape.join()}]`);
    return encode(values, dtype);
  });
  const {modelTopology, signature, userDefinedMetadata} = file;
  return {modelTopology, signature, userDefinedMetadata, weightSpecs, weightData: io.CompositeArrayBuffer.join(chunks)};
}

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

function flatten(nested: Nested): number[] {
  return Array.isArray(nested) ? (nested as Nested[]).flatMap(flatten) : [Number(nested)];
}

function encode(values: readonly number[], dtype: io.WeightsManifestEntry['dtype']): ArrayBuffer {
  if (dtype === 'bool') return Uint8Array.from(values).buffer;
  return dtype === 'int32' ? Int32Array.from(values).buffer : Float32Array.from(values).buffer;
}
