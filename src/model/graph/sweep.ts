import {parseEdge, type NodeDef} from './graph.js';

/** The nodes without those orphans, and what only they needed, that neither a node nor a control edge nor an output still needs. */
export function sweep(nodes: readonly NodeDef[], orphans: readonly string[], outputs: ReadonlySet<string>): NodeDef[] {
  const alive = new Map(nodes.map((node) => [node.name, node]));
  const needs = new Map<string, number>();
  const inputs = (node: NodeDef): string[] => (node.input ?? []).map((input) => parseEdge(input).name);
  for (const name of nodes.flatMap(inputs)) needs.set(name, (needs.get(name) ?? 0) + 1);

  const suspects = [...orphans];
  for (let name = suspects.pop(); name !== undefined; name = suspects.pop()) {
    const node = alive.get(name);
    // A placeholder is the caller's to feed, used or not.
    if (node === undefined || (needs.get(name) ?? 0) > 0 || outputs.has(name) || node.op.startsWith('Placeholder')) continue;
    alive.delete(name);
    for (const input of inputs(node)) {
      needs.set(input, needs.get(input)! - 1);
      suspects.push(input);
    }
  }
  return nodes.filter(({name}) => alive.has(name));
}
