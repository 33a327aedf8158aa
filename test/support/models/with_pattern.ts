import type {io} from '@tensorflow/tfjs-core';
import type {NodeDef} from '../../../src/model/graph/graph.js';
import type {Pattern} from '../../../src/pattern/index.js';
import type {BuiltNode} from './graph_builder.js';

/** A graph, and the tensors that its softmaxes read. */
export interface WithLogits {
  readonly artifacts: io.ModelArtifacts & {readonly modelTopology: {readonly node: readonly (NodeDef | BuiltNode)[]}};
  readonly logits: readonly string[];
}

/** The same model with the pattern written into it: what it hides is −3e38, below any mask of a model, in front of every softmax. */
export function withPattern(
  {artifacts, logits}: WithLogits,
  shapes: readonly (readonly number[])[],
  pattern: Pattern,
  queryOffset?: number,
): io.ModelArtifacts {
  const masks = logits.map((name, i) => {
    const [queryLength, keyLength] = shapes[i]!.slice(-2) as [number, number];
    const sees = (index: number): boolean =>
      pattern.attends(Math.floor(index / keyLength), index % keyLength, {queryLength, keyLength, queryOffset});
    const values = Float32Array.from({length: queryLength * keyLength}, (_, index) => (sees(index) ? 0 : -3e38));
    return {name, mask: `${name}/pattern`, shape: [queryLength, keyLength], values};
  });
  const nodes = artifacts.modelTopology.node.map((node) => ({
    ...node,
    input: node.input?.map((input) => (logits.includes(input) ? `${input}/masked` : input)),
  }));
  const added = masks.flatMap(({name, mask}): BuiltNode[] => [
    {name: mask, op: 'Const', attr: {dtype: {type: 'DT_FLOAT'}}},
    {name: `${name}/masked`, op: 'AddV2', input: [name, mask], attr: {T: {type: 'DT_FLOAT'}}},
  ]);
  return {
    ...artifacts,
    modelTopology: {...artifacts.modelTopology, node: [...nodes, ...added]},
    weightSpecs: [...artifacts.weightSpecs!, ...masks.map(({mask, shape}) => ({name: mask, shape, dtype: 'float32' as const}))],
    weightData: [...[artifacts.weightData ?? []].flat(), ...masks.map(({values}) => values.buffer)],
  };
}
