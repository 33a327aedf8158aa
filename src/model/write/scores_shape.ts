import type {GraphBuilder} from '../graph/builder.js';
import {dataInputs, parseEdge, type NodeDef} from '../graph/graph.js';
import type {Attention} from '../read/match.js';
import {numberOf, same} from '../graph/size.js';
import type {ShapeTable} from '../graph/shape_table.js';

/**
 * The nodes with each `Shape` of a score matrix made of the shapes of query and key instead, so that nothing asks for the scores any
 * more: models build masks from it, or undo a reshape. Where something reads the scores themselves, or the sizes cannot be told apart,
 * they stay. The `Shape` of an output before its transpose is made of that after it.
 */
export function shapeWithout(
  nodes: readonly NodeDef[],
  attention: Attention,
  shapes: ShapeTable,
  builder: GraphBuilder,
): NodeDef[] {
  const sized = new Map<string, readonly Source[]>(
    [...attention.pathAxes].flatMap(([name, axes]) => {
      const sources = axes.map((letter) => sourceOf(attention, letter, shapes));
      return sources.includes(undefined) ? [] : [[name, sources as Source[]] as const];
    }),
  );
  const {node: written, axes: order, skipped = []} = attention.exit;
  for (const [name, axes] of skipped) {
    const sources = axes.map((letter) => ({input: written.name, axis: order.indexOf(letter)}));
    if (sources.every(({axis}) => axis >= 0)) sized.set(name, sources);
  }
  return nodes.map((node) => {
    const sources = node.op === 'Shape' ? sized.get(parseEdge(dataInputs(node)[0] ?? '').name) : undefined;
    return sources === undefined ? node : joined(node, sources, builder);
  });
}

/** An axis of a tensor. */
interface Source {
  readonly input: string;
  readonly axis: number;
}

/** The tensor that has the size of an axis of the scores. */
function sourceOf({query, key}: Attention, letter: string, shapes: ShapeTable): Source | undefined {
  const place = ({input, axes}: {input: string; axes: readonly string[]}, name: string): Source | undefined =>
    axes.includes(name) && axes[0] !== '*' ? {input, axis: axes.indexOf(name)} : undefined;
  if (letter === 'k') return place(key, 'l');
  const ofQuery = place(query, letter);
  const ofKey = letter === 'l' || (letter === 'h' && key.group > 1) ? undefined : place(key, letter);
  if (ofQuery === undefined || ofKey === undefined) return ofQuery ?? ofKey;
  const [a, b] = [ofQuery, ofKey].map(({input, axis}) => shapes.of(input)?.[axis]);
  if (same(a, b)) return ofQuery;
  // One of them broadcasts: which one must be known.
  if (numberOf(a) === 1) return ofKey;
  return numberOf(b) === 1 || numberOf(a) !== undefined ? ofQuery : undefined;
}

function joined(node: NodeDef, sources: readonly Source[], builder: GraphBuilder): NodeDef {
  const runs: {input: string; axes: number[]}[] = [];
  for (const {input, axis} of sources) {
    if (runs.at(-1)?.input === input) runs.at(-1)!.axes.push(axis);
    else runs.push({input, axes: [axis]});
  }
  const sizes = runs.map(({input, axes}) => {
    const shape = builder.add(`${node.name}/part`, 'Shape', [input], {out_type: {type: 'DT_INT32'}});
    return [shape, builder.integers(axes), builder.integer(0)];
  });
  if (sizes.length === 1) return {name: node.name, op: 'GatherV2', input: sizes[0]!};
  const pieces = sizes.map((input) => builder.add(`${node.name}/part`, 'GatherV2', input));
  return {name: node.name, op: 'ConcatV2', input: [...pieces, builder.integer(0)], attr: {N: {i: pieces.length}}};
}
