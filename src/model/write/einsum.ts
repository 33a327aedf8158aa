import type {GraphBuilder} from '../graph/builder.js';
import {contractionOf, type Factor} from '../graph/contraction.js';
import {controlInputs, textAttr, type NodeDef} from '../graph/graph.js';
import {numberOf} from '../graph/size.js';
import type {ShapeTable} from '../graph/shape_table.js';

/** One way to order the axes of a product so that it is a matrix product. */
interface Order {
  readonly left: Factor;
  readonly right: Factor;
  readonly batch: readonly string[];
  readonly rows: readonly string[];
  readonly sum: readonly string[];
  readonly columns: readonly string[];
}

/**
 * The nodes that compute an Einsum of two operands by a matrix product: transposes and reshapes where they are needed, MatMul or
 * BatchMatMulV2, and back; the last one has the name of the Einsum. TensorFlow.js itself broadcasts both operands over all axes and
 * sums the product, which for a projection takes as much memory as its operands multiplied.
 *
 * @returns The last node, the others are added to the builder; or why it cannot be.
 */
export function asMatMul(shapes: ShapeTable, builder: GraphBuilder, node: NodeDef): NodeDef | string {
  const equation = textAttr(node.attr?.['equation']);
  const product = contractionOf(shapes, node);
  if (product === undefined) return `the Einsum '${node.name}' (${equation}) is no product of two tensors by distinct axes`;
  const [a, b] = product.operands;
  const {out} = product;
  if ([...a.labels, ...b.labels].includes('*')) return `the Einsum '${node.name}' (${equation}) has operands of unknown rank`;
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const alone = [...a.labels, ...b.labels].filter((label) => !shared.includes(label) && !out.includes(label));
  if (alone.length > 0) return `the Einsum '${node.name}' (${equation}) sums an axis of one operand alone`;

  const batch = shared.filter((label) => out.includes(label));
  const sum = shared.filter((label) => !out.includes(label));
  const ordered = (labels: readonly string[], like: readonly string[]): string[] => like.filter((label) => labels.includes(label));
  const orders = [
    [a, b],
    [b, a],
  ].flatMap(([left, right]) =>
    [out, left!.labels, right!.labels].flatMap((batchLike) =>
      [left!.labels, right!.labels].map((sumLike): Order => ({
        left: left!,
        right: right!,
        batch: ordered(batch, batchLike),
        rows: left!.labels.filter((label) => !shared.includes(label)),
        sum: ordered(sum, sumLike),
        columns: right!.labels.filter((label) => !shared.includes(label)),
      })),
    ),
  );
  const best = orders.reduce((least, order) => (turns(order, out) < turns(least, out) ? order : least));
  return new Writer(shapes, builder, node, best).write(out);
}

/** How many transposes an order needs. */
function turns(order: Order, out: readonly string[]): number {
  const {batch, rows, columns} = order;
  const turned = [isTurned(order, 'left'), isTurned(order, 'right')].filter((side) => side === undefined).length;
  return turned + Number([...batch, ...rows, ...columns].join() !== out.join());
}

/** Whether an operand is read with its matrix transposed; undefined when its axes must be moved first. */
function isTurned({left, right, batch, rows, sum, columns}: Order, side: 'left' | 'right'): boolean | undefined {
  const labels = (side === 'left' ? left : right).labels.join();
  const [first, second] = side === 'left' ? [rows, sum] : [sum, columns];
  if (labels === [...batch, ...first, ...second].join()) return false;
  return labels === [...batch, ...second, ...first].join() ? true : undefined;
}

class Writer {
  constructor(
    private readonly shapes: ShapeTable,
    private readonly builder: GraphBuilder,
    private readonly node: NodeDef,
    private readonly order: Order,
  ) {}

  write(out: readonly string[]): NodeDef | string {
    const {batch, rows, sum, columns} = this.order;
    // Whether it works is known before anything is added.
    const vectors = [
      this.groups([...batch.map((label) => [label]), rows, sum]),
      this.groups([...batch.map((label) => [label]), sum, columns]),
      this.groups([...batch, ...rows, ...columns].map((label) => [label])),
    ];
    if (vectors.includes(undefined)) return `the Einsum '${this.node.name}' merges axes of unknown sizes`;
    const left = this.operand('left');
    const right = this.operand('right');
    const flags: [string, string] = batch.length === 0 ? ['transpose_a', 'transpose_b'] : ['adj_x', 'adj_y'];
    const attr = {...this.type(), [flags[0]]: {b: left.turned}, [flags[1]]: {b: right.turned}};
    const steps: {op: string; rest: readonly (() => string)[]; attr: NodeDef['attr']}[] = [
      {op: batch.length === 0 ? 'MatMul' : 'BatchMatMulV2', rest: [() => right.input], attr},
    ];
    const natural = [...batch, ...rows, ...columns];
    if (rows.length !== 1 || columns.length !== 1) {
      steps.push({op: 'Reshape', rest: [() => this.vector(natural.map((label) => [label]))], attr: this.type()});
    }
    if (natural.join() !== out.join()) {
      const perm = out.map((label) => natural.indexOf(label));
      steps.push({op: 'Transpose', rest: [() => this.builder.integers(perm)], attr: this.type()});
    }
    const last = steps.pop()!;
    let input = left.input;
    for (const step of steps) input = this.add(step.op, [input, ...step.rest.map((rest) => rest())], step.attr);
    const inputs = [input, ...last.rest.map((rest) => rest()), ...controlInputs(this.node)];
    return {name: this.node.name, op: last.op, input: inputs, attr: last.attr};
  }

  private operand(side: 'left' | 'right'): {input: string; turned: boolean} {
    const {batch, rows, sum, columns} = this.order;
    const operand = this.order[side];
    const turned = isTurned(this.order, side);
    const [first, second] = side === 'left' ? [rows, sum] : [sum, columns];
    let {input} = operand;
    if (turned === undefined) {
      const perm = [...batch, ...first, ...second].map((label) => operand.labels.indexOf(label));
      input = this.add('Transpose', [input, this.builder.integers(perm)], this.type());
    }
    const matrix = turned === true ? [second, first] : [first, second];
    if (matrix.some((labels) => labels.length !== 1)) {
      input = this.add('Reshape', [input, this.vector([...batch.map((label) => [label]), ...matrix])], this.type());
    }
    return {input, turned: turned === true};
  }

  /** For each axis of a reshape its size as a number, −1, or the name of the one axis whose size a run tells. */
  private groups(axes: readonly (readonly string[])[]): (number | string)[] | undefined {
    const sizes = axes.map((labels) => labels.reduce<number | undefined>((size, label) => times(size, this.size(label)), 1));
    const open = axes.flatMap((_, i) => (sizes[i] === undefined ? [i] : []));
    const merged = open.filter((i) => axes[i]!.length > 1);
    if (merged.length > 1) return undefined;
    const inferred = merged[0] ?? (open.length === 1 ? open[0] : undefined);
    return axes.map((labels, i) => (i === inferred ? -1 : (sizes[i] ?? labels[0]!)));
  }

  /** The tensor that tells a reshape its sizes. */
  private vector(axes: readonly (readonly string[])[]): string {
    const sizes = this.groups(axes)!;
    if (sizes.every((size) => typeof size === 'number')) return this.builder.integers(sizes as number[]);
    const runs: {input?: string; values: number[]}[] = [];
    for (const size of sizes) {
      const {input, value} = typeof size === 'number' ? {input: undefined, value: size} : this.place(size);
      const last = runs.at(-1);
      if (last !== undefined && last.input === input) last.values.push(value);
      else runs.push({...(input !== undefined && {input}), values: [value]});
    }
    const pieces = runs.map(({input, values}) =>
      input === undefined ? this.builder.integers(values) : this.sizesOf(input, values),
    );
    return pieces.length === 1 ? pieces[0]! : this.add('ConcatV2', [...pieces, this.builder.integer(0)], {N: {i: pieces.length}});
  }

  private sizesOf(input: string, axes: readonly number[]): string {
    const shape = this.add('Shape', [input], {...this.type(), out_type: {type: 'DT_INT32'}});
    return this.add('GatherV2', [shape, this.builder.integers(axes), this.builder.integer(0)]);
  }

  /** A tensor that has an axis, and where. */
  private place(label: string): {input: string; value: number} {
    const {left, right} = this.order;
    const owner = left.labels.includes(label) ? left : right;
    return {input: owner.input, value: owner.labels.indexOf(label)};
  }

  private size(label: string): number | undefined {
    const sizes = [this.order.left, this.order.right].map(({input, labels}) => {
      const axis = labels.indexOf(label);
      return axis < 0 ? undefined : numberOf(this.shapes.of(input)?.[axis]);
    });
    return sizes[0] ?? sizes[1];
  }

  private type(): {T?: {type: string | number}} {
    const type = this.node.attr?.['T']?.type;
    return type === undefined ? {} : {T: {type}};
  }

  private add(op: string, input: readonly string[], attr: NodeDef['attr'] = {}): string {
    return this.builder.add(`${this.node.name}/${op}`, op, input, attr);
  }
}

const times = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a * b;
