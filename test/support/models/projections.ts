// One attention over projections of tensors, and what may become of these.
import {GraphBuilder, type BuiltArtifacts, type Ref} from './graph_builder.js';
import * as l from './layers.js';
import {floats, type Inputs} from './zoo_inputs.js';

export const [WIDTH, HEADS, DIM] = [6, 4, 5];
export const OWN = HEADS * DIM;

export type Three = readonly [query: Ref, key: Ref, value: Ref];

export interface Linear {
  readonly bias?: boolean;
  readonly turned?: boolean;
  readonly matrix?: Ref;
  readonly inputs?: number;
}

/** x [batch, length, inputs] · matrix + bias. */
export function linear(
  g: GraphBuilder,
  x: Ref,
  outputs: number,
  {bias = true, turned = false, inputs = WIDTH, ...given}: Linear = {},
): Ref {
  const matrix = given.matrix ?? g.weight(turned ? [outputs, inputs] : [inputs, outputs], {}, 'kernel');
  const product = l.matmul(g, x, matrix, {adjY: turned});
  return bias ? l.biasAdd(g, product, outputs) : product;
}

export function attentionOver(g: GraphBuilder, [query, key, value]: Three, keyHeads = HEADS): Ref {
  const [q, k, v] = [query, key, value].map((tensor, role) => {
    const heads = role === 0 ? HEADS : keyHeads;
    const sizes = [l.sizeOf(g, tensor, 0), l.sizeOf(g, tensor, 1)] as const;
    return l.transpose(g, l.reshape(g, tensor, [...sizes, heads, DIM]), [0, 2, 1, 3]);
  }) as [Ref, Ref, Ref];
  const scaled = l.mul(g, l.matmul(g, q, k, {adjY: true}), g.float(0.4));
  const attended = l.transpose(g, l.matmul(g, g.op('Softmax', [scaled]), v), [0, 2, 1, 3]);
  return l.reshape(g, attended, [l.sizeOf(g, query, 0), l.sizeOf(g, query, 1), OWN]);
}

/** An attention over projections of x and y [batch, length, 6]; what `project` returns beside them are further outputs. */
export function projectedModel(project: (g: GraphBuilder, x: Ref, y: Ref) => readonly [...Three, ...Ref[]]): BuiltArtifacts {
  const g = new GraphBuilder({seed: 7});
  const [x, y] = [g.placeholder('x', [-1, -1, WIDTH]), g.placeholder('y', [-1, -1, WIDTH])];
  const [query, key, value, ...more] = project(g, x, y);
  const outputs = Object.fromEntries(more.map((ref, i) => [`more${i}`, ref]));
  return g.build({out: attentionOver(g.in('attention'), [query, key, value]), ...outputs}).artifacts;
}

/** Query, key and value projected from x. */
export const selfAttention = (changes: readonly Linear[] = []): BuiltArtifacts =>
  projectedModel((g, x) => ['query', 'key', 'value'].map((name, i) => linear(g.in(name), x, OWN, changes[i])) as [Ref, Ref, Ref]);

export const projectedInputs = (batch: number, length: number, other = length): Inputs => ({
  x: floats([batch, length, WIDTH], 3),
  y: floats([batch, other, WIDTH], 5),
});
