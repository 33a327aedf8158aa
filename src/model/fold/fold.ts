import type {GraphBuilder} from '../graph/builder.js';
import {FLOAT_TYPES, parseEdge, type Graph, type NodeDef} from '../graph/graph.js';
import type {ShapeTable} from '../graph/shape_table.js';
import type {FoldWeights} from './weights.js';

/** What a fold makes, or does away with. */
export type FoldKind =
  | 'pass-through'
  | 'duplicate'
  | 'shape arithmetic'
  | 'constant'
  | 'dense layer'
  | 'joined projections'
  | 'layer norm'
  | 'RMS norm'
  | 'GELU'
  | 'SiLU'
  | 'heads';

/** What a fold may look at. The graph has the nodes that are executed and their constants, none else. */
export interface FoldContext {
  readonly graph: Graph;
  readonly shapes: ShapeTable;
  readonly builder: GraphBuilder;
  readonly weights: FoldWeights;
  /** Outputs have names. Without a signature they are what nobody reads, and nobody may begin to. */
  readonly hasSignature: boolean;
}

/**
 * What a fold makes of a node: another node of the same name that computes the same, from tensors the old one was made of; or a tensor that
 * everybody reads in its place. `also`: what is read in place of other nodes then, by their names; `added`: what nodes are that the builder was told
 * of. Why nothing, where it was nearly something.
 */
export type FoldResult =
  | {
      readonly kind: FoldKind;
      readonly node: NodeDef;
      readonly also?: ReadonlyMap<string, string>;
      readonly added?: ReadonlyMap<string, FoldKind>;
    }
  | {readonly kind: FoldKind; readonly instead: string}
  | {readonly reason: string};

/** Match, proof, replacement; undefined: no match. */
export type Fold = (context: FoldContext, node: NodeDef) => FoldResult | undefined;

/**
 * Whether a node is executed for the sake of `target` alone: what reads it leads nowhere else. Then it goes when `target` does without it.
 */
export function servesOnly(graph: Graph, name: string, target: string): boolean {
  const seen = new Set<string>();
  const open = [name];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    if (seen.has(at) || at === target) continue;
    // Shape arithmetic around a layer has some twenty nodes.
    if (graph.outputs.has(at) || seen.size > 64) return false;
    seen.add(at);
    open.push(...graph.consumers(at).map(({node}) => node.name));
  }
  return true;
}

/** The node that makes a tensor, where it is its first output and no control edge. */
export function makerOf(graph: Graph, input: string | undefined): NodeDef | undefined {
  const {name, port, control} = parseEdge(input ?? '');
  return port === 0 && !control ? graph.nodes.get(name) : undefined;
}

/** Whether a node computes floats; one that does not say does not. */
export const isFloat = (node: NodeDef): boolean => FLOAT_TYPES.includes(node.attr?.['T']?.type);
