import type {io} from '@tensorflow/tfjs-core';
import {modelOutputs, parseEdge, type GraphDef, type NodeDef, type Signature} from '../../src/model/graph/graph.js';

/** The nodes that a run of all outputs of a model executes; constants and placeholders are none. */
export function executedNodes({modelTopology, signature, userDefinedMetadata}: io.ModelArtifacts): NodeDef[] {
  const {node} = modelTopology as GraphDef;
  const byName = new Map(node.map((each) => [each.name, each]));
  const needed = new Set<string>();
  const open = [...modelOutputs(node, (userDefinedMetadata?.['signature'] ?? signature) as Signature | undefined)];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue;
    needed.add(name);
    // Constants are there before a run.
    if (byName.get(name)?.op !== 'Const') open.push(...(byName.get(name)?.input ?? []).map((input) => parseEdge(input).name));
  }
  return node.filter(({name, op}) => needed.has(name) && op !== 'Const' && !op.startsWith('Placeholder'));
}
