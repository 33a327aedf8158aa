import {readFileSync} from 'node:fs';
import {io, util} from '@tensorflow/tfjs-core';
import type {GraphDef} from '../../src/model/graph/graph.js';
import {encode, uniform, type GraphArtifacts} from './hand_made_graph.js';

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

function flatten(nested: Nested): number[] {
  return Array.isArray(nested) ? (nested as Nested[]).flatMap(flatten) : [Number(nested)];
}
