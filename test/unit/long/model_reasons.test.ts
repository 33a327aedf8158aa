import '@tensorflow/tfjs-backend-cpu';
import {loadGraphModelSync} from '@tensorflow/tfjs-converter';
import {setBackend, tensor, type Tensor} from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import {dataInputs, parseEdge, textAttr, type NodeDef} from '../../../src/model/graph/graph.js';
import {rewriteGraphModel} from '../../../src/model/index.js';
import {full} from '../../../src/pattern/index.js';
import {uniform, type GraphArtifacts} from '../../support/hand_made_graph.js';
import {BEFORE, BEHIND, INPUTS, LAST, oddAttention, PRODUCTS, SIZES, type OddAttention} from '../../support/odd_attention.js';

const draw = (shape: readonly number[], seed: number): Tensor => {
  const random = uniform(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return tensor(
    Float32Array.from({length: count}, () => 2 * random() - 1),
    [...shape],
  );
};

/** A graph that can be asked, and run, with what this test knows of graphs: nothing of it comes from the matcher. */
class Witness {
  readonly nodes: ReadonlyMap<string, NodeDef>;
  readonly outputs: readonly string[];

  constructor(private readonly artifacts: GraphArtifacts) {
    this.nodes = new Map(artifacts.modelTopology.node.map((each) => [each.name, each]));
    const {outputs} = artifacts.signature as {outputs: Record<string, {name: string}>};
    this.outputs = Object.values(outputs).map(({name}) => parseEdge(name).name);
  }

  node(name: string): NodeDef {
    const found = this.nodes.get(name);
    if (found === undefined) throw new Error(`the reason names '${name}', which is no node`);
    return found;
  }

  inputs(name: string): readonly string[] {
    return dataInputs(this.node(name)).map((input) => parseEdge(input).name);
  }

  /** Whether a node is among those that another one is computed from, or that one itself. */
  precedes(before: string, after: string): boolean {
    return before === after || this.inputs(after).some((input) => this.precedes(before, input));
  }

  isConstant(name: string): boolean {
    return ![...this.nodes.values()].some(({name: each, op}) => op === 'Placeholder' && this.precedes(each, name));
  }

  /** The products of two tensors that depend on the inputs. */
  products(): string[] {
    const multiplies = ({op, name}: NodeDef): boolean =>
      ['BatchMatMulV2', 'Einsum', 'MatMul'].includes(op) &&
      this.inputs(name).length === 2 &&
      this.inputs(name).every((input) => !this.isConstant(input));
    return [...this.nodes.values()].filter(multiplies).map(({name}) => name);
  }

  /** Between a first product and the softmax. */
  isBefore(name: string): boolean {
    return this.precedes(name, 'probs') && this.products().some((product) => product !== name && this.precedes(product, name));
  }

  /** Between the softmax and a last product. */
  isBehind(name: string): boolean {
    return name !== 'probs' && this.precedes('probs', name);
  }

  readers(name: string): string[] {
    return [...this.nodes.values()]
      .filter((each) => dataInputs(each).some((input) => parseEdge(input).name === name))
      .map((each) => each.name);
  }

  /** Inputs for all placeholders: four axes where an order is asked for. */
  given(): Record<string, Tensor> {
    const orders = [...this.nodes.values()].filter(({name, op}) => op === 'Placeholder' && !(name in INPUTS));
    const drawn = Object.entries(INPUTS).map(([name, shape], i) => [name, draw(shape, i + 1)] as const);
    return Object.fromEntries([...drawn, ...orders.map(({name}) => [name, tensor([0, 1, 2, 3], [4], 'int32')] as const)]);
  }

  run(name: string, inputs = this.given()): {shape: readonly number[]; values: readonly number[]} {
    const output = loadGraphModelSync(this.artifacts).execute(inputs, name) as Tensor;
    return {shape: output.shape, values: Array.from(output.dataSync())};
  }

  /** The tensor that the softmax reads. */
  get logits(): string {
    return this.inputs('probs')[0]!;
  }
}

const quoted = (names: string): string[] => [...names.matchAll(/'([^']+)'/g)].map(([, name]) => name!);
const isView = (witness: Witness, from: string, to: string): boolean =>
  from === to ||
  (['Identity', 'Cast', 'Reshape', 'Transpose'].includes(witness.node(to).op) && isView(witness, from, witness.inputs(to)[0]!));
const masks = ['AddV2', 'Sub', 'Mul', 'RealDiv', 'SelectV2'];
/** Whether the scores met a tensor that is no number before. */
const wasMasked = (witness: Witness, at: string): boolean =>
  [...witness.nodes.values()].some(
    ({name, op}) =>
      masks.includes(op) &&
      witness.precedes(name, at) &&
      witness.inputs(name).filter((input) => witness.run(input).values.length > 1).length > 1,
  );

/** How many places along the axis of the softmax change when one row of an operand of the product does; a key is one. */
function reach(witness: Witness, operand: 'q' | 'k'): number {
  const before = witness.run(witness.logits);
  const changed = witness.given();
  const values = Array.from(changed[operand]!.dataSync());
  const width = INPUTS[operand]!.at(-1)!;
  for (let i = 0; i < width; i++) values[i]! += 0.25 + i / 7;
  changed[operand] = tensor(values, [...INPUTS[operand]!]);
  const after = witness.run(witness.logits, changed);
  const last = before.shape.at(-1)!;
  return new Set(before.values.flatMap((value, i) => (value === after.values[i] ? [] : [i % last]))).size;
}

type Claim = (witness: Witness, ...groups: string[]) => boolean;

/** What each reason says of a graph. A reason that is not here fails: whoever adds one says how to tell whether it is true. */
const CLAIMS: readonly (readonly [words: RegExp, claim: Claim])[] = [
  [
    /^the (\w+) '(.+)' stands between the product of query and key and the softmax$/,
    (witness, op, name) => witness.node(name!).op === op && witness.isBefore(name!) && !masks.includes(op!),
  ],
  [
    /^the (\w+) '(.+)' multiplies with weights$/,
    (witness, op, name) =>
      witness.node(name!).op === op && witness.isBefore(name!) && witness.inputs(name!).some((input) => witness.isConstant(input)),
  ],
  [
    /^the (\w+) '(.+)' multiplies its probabilities with weights$/,
    (witness, op, name) =>
      witness.node(name!).op === op && witness.isBehind(name!) && witness.inputs(name!).some((input) => witness.isConstant(input)),
  ],
  [
    /^'(.+)' scales the scores by (.+)$/,
    (witness, name) => witness.isBefore(name!) && witness.run(name!).values.some((value) => !Number.isFinite(value)),
  ],
  [
    /^'(.+)' scales masked scores by (.+)$/,
    (witness, name, factor) => wasMasked(witness, name!) && (!(Number(factor) >= 1 / 32) || factor!.startsWith("'")),
  ],
  [
    /^'(.+)' (multiplies|divides) the scores by '(.+)', of which it is not known whether it has a number for each pair of query and key$/,
    (witness, name, _, tensor) => witness.inputs(name!).includes(tensor!) && witness.isBefore(name!),
  ],
  [
    /^'(.+)' (multiplies|divides) the scores by '(.+)', which may have a number for each pair of query and key$/,
    (witness, name, _, tensor) => {
      const {shape} = witness.run(tensor!);
      return (
        witness.isBefore(name!) &&
        witness.inputs(name!).includes(tensor!) &&
        (shape.at(-1) !== 1 || witness.node(tensor!).op === 'Placeholder')
      );
    },
  ],
  [
    /^'(.+)' (multiplies|divides) the scores by '(.+)', to which something was added while they had other axes$/,
    (witness, name) => wasMasked(witness, name!),
  ],
  [
    /^'(.+)' multiplies the scores by a second mask$/,
    (witness, name) =>
      witness.node(name!).op === 'Mul' &&
      witness.inputs(name!).some((input) => witness.run(input).values.every((value) => value === 0 || value === 1)) &&
      wasMasked(witness, witness.inputs(name!)[0]!),
  ],
  [
    /^'(.+)' multiplies the scores: what it makes 0 still counts/,
    (witness, mask) =>
      witness.run(mask!).values.every((value) => value === 0 || value === 1) &&
      witness.readers(mask!).some((reader) => witness.node(reader).op === 'Mul'),
  ],
  [
    /^'(.+)' divides by the scores$/,
    (witness, name) =>
      witness.node(name!).op === 'RealDiv' &&
      witness.products().some((product) => witness.precedes(product, witness.inputs(name!)[1]!)),
  ],
  [
    /^'(.+)' adds two products/,
    (witness, name) =>
      witness.inputs(name!).every((input) => witness.products().some((product) => witness.precedes(product, input))),
  ],
  [
    /^'(.+)' subtracts the scores$/,
    (witness, name) =>
      witness.node(name!).op === 'Sub' &&
      witness.products().some((product) => witness.precedes(product, witness.inputs(name!)[1]!)),
  ],
  [
    /^'(.+)' selects by the scores$/,
    (witness, name) => {
      const reached = witness.inputs(name!).map((input) => witness.products().some((product) => witness.precedes(product, input)));
      return reached[0] === true && !reached[1] && !reached[2];
    },
  ],
  [
    /^'(.+)' selects between the scores and another tensor$/,
    (witness, name) =>
      witness
        .inputs(name!)
        .slice(1)
        .some((input) => !witness.isConstant(input) && !witness.products().some((product) => witness.precedes(product, input))),
  ],
  [
    /^'(.+)' selects between the scores and (.+), which may not hide them$/,
    (witness, name, fill) =>
      Number(fill) > -1000 &&
      witness.inputs(name!).some((input) => witness.run(input).values.every((value) => value === Number(fill))),
  ],
  [
    /^the scale '(.+)' has a number for each key, and something was added to all scores of a row before$/,
    (witness, tensor) =>
      witness.run(tensor!).shape.at(-1) === SIZES.k && witness.readers(tensor!).some((reader) => wasShifted(witness, reader)),
  ],
  [
    /^'(.+)' is the same whatever its scores are$/,
    (witness, name) => witness.isBefore(name!) && new Set(witness.run(name!).values).size === 1,
  ],
  [/^the condition '(.+)' hides every key$/, (witness, condition) => new Set(witness.run(condition!).values).size === 1],
  [
    /^the (Reshape|ExpandDims|Squeeze) '(.+)' of the scores cannot be proven to only regroup heads$/,
    (witness, op, name) => witness.node(name!).op === op && witness.isBefore(name!),
  ],
  [
    /^the (Reshape|ExpandDims|Squeeze) '(.+)' of its probabilities cannot be proven to only regroup heads$/,
    (witness, op, name) => witness.node(name!).op === op && isView(witness, 'probs', name!),
  ],
  [
    /^the Transpose '(.+)' of the scores has an unknown order$/,
    // Its permutation is an input, or nothing tells how many axes it has.
    (witness, name) =>
      !witness.isConstant(witness.inputs(name!)[1]!) ||
      Object.keys(INPUTS).every((input) => witness.node(input).attr?.['shape'] === undefined),
  ],
  [
    /^the Transpose '(.+)' turns scores that were masked before, causally or by a product$/,
    (witness, name) => witness.node(name!).op === 'Transpose' && wasMasked(witness, name!),
  ],
  [
    /^its probabilities \('(.+)'\) are an output of the model$/,
    (witness, name) => witness.outputs.includes(name!) && isView(witness, 'probs', name!),
  ],
  [
    /^its probabilities are read by (.+); a swap never computes them$/,
    (witness, names) => {
      const [one, ...more] = quoted(names!).map((name) => witness.inputs(name));
      const shared = one!.find((input) => isView(witness, 'probs', input) && more.every((inputs) => inputs.includes(input)));
      return more.length > 0 && shared !== undefined;
    },
  ],
  [
    /^the (\w+) '(.+)' stands between the softmax and the product with the value$/,
    (witness, op, name) => {
      const last = witness.node(name!);
      // A product whose axes are not those of the probabilities is none of attention.
      return last.op === op && witness.isBehind(name!) && (name !== 'out' || textAttr(last.attr?.['equation']) !== '');
    },
  ],
  [
    /^'(.+)' reads the probabilities with other axes than they have$/,
    (witness, name) => witness.isBehind(name!) && witness.products().includes(name!),
  ],
  // Neither operand has rows of which one makes one place along the axis.
  [/^its softmax does not run over the keys of its scores$/, (witness) => reach(witness, 'k') !== 1 || reach(witness, 'q') === 1],
  [
    /^its keys share an axis with others, or are cut into several axes$/,
    (witness) => witness.run(witness.logits).shape.at(-1) !== SIZES.k || hasCut(witness),
  ],
  [
    /^'(.+)' sums over (\d) axes, not over one of features$/,
    (witness, name, count) => Number(count) !== 1 && textAttr(witness.node(name!).attr?.['equation']) !== '',
  ],
  [/^of the scores '(.+)' it cannot be told which axis are the queries$/, (witness, name) => witness.products().includes(name!)],
  [
    /^the axes of its (query|key|value|output) in '(.+)' are not those of attention$/,
    (witness, _, name) => witness.products().includes(name!),
  ],
  [
    /^'(.+)' multiplies a tensor of unknown rank by axes of another order than \[batch, heads\]$/,
    (witness, name) =>
      Object.keys(INPUTS).some((input) => witness.node(input).attr?.['shape'] === undefined) && witness.products().includes(name!),
  ],
  [/^the output '(.+)' has no axis of its (heads|batch|outer batch)$/, (witness, name) => witness.run(name!).shape.length < 4],
  [/^its causal mask lies on scores of another order/, () => false],
  [
    /^(batch|heads).* are merged into one axis, and the numbers of .+ are not known$/,
    (witness) => witness.node('q').attr?.['shape'] === undefined || isOpen(witness),
  ],
  [
    /^the (addend|scale) '(.+)' lies on scores of another order than \[batch, heads, queries, keys\]$/,
    (witness, _, name) => witness.run(name!).shape.filter((size) => size !== 1).length > 0,
  ],
];

const wasShifted = (witness: Witness, name: string): boolean =>
  [...witness.nodes.values()].some((each) => ['AddV2', 'Sub'].includes(each.op) && witness.precedes(each.name, name));
const isOpen = (witness: Witness): boolean =>
  witness.node('q').attr?.['shape']?.shape?.dim?.some(({size}) => Number(size) < 0) ?? true;
const hasCut = (witness: Witness): boolean =>
  [...witness.nodes.values()].some(({op, name}) => op === 'Reshape' && (witness.isBehind(name) || witness.isBefore(name)));

const names = (bricks: Readonly<Record<string, unknown>>): fc.Arbitrary<string> => fc.constantFrom(...Object.keys(bricks));
const attentions: fc.Arbitrary<OddAttention> = fc.record({
  product: fc.oneof({weight: 2, arbitrary: fc.constant('adjoint')}, names(PRODUCTS)),
  before: fc.array(names(BEFORE), {maxLength: 3}),
  behind: fc.oneof({weight: 4, arbitrary: fc.constant([])}, fc.array(names(BEHIND), {minLength: 1, maxLength: 2})),
  last: fc.oneof({weight: 3, arbitrary: fc.constant('plain')}, names(LAST)),
  declared: fc.constantFrom('nothing', 'ranks', 'all'),
});

describe('the reason why an attention stays', () => {
  beforeAll(() => setBackend('cpu'));

  /** Checks one graph; what was claimed of it, or undefined where it does not run. */
  function check(odd: OddAttention, claimed: Map<number, number>): 'replaced' | 'left' | undefined {
    const artifacts = oddAttention(odd);
    const witness = new Witness(artifacts);
    let expected: ReturnType<Witness['run']>;
    try {
      expected = witness.run('out');
    } catch {
      return undefined; // The bricks do not fit each other.
    }
    const {artifacts: swapped, report} = rewriteGraphModel(artifacts, {pattern: full()});
    const about = `${JSON.stringify(odd)} ${String(report)}`;
    for (const {name, reason} of report.left) {
      if (name !== 'probs') continue;
      const at = CLAIMS.findIndex(([words]) => words.test(reason));
      expect(at).withContext(`a reason of which nobody says when it is true: ${about}`).toBeGreaterThanOrEqual(0);
      if (at < 0) continue;
      claimed.set(at, (claimed.get(at) ?? 0) + 1);
      const [words, claim] = CLAIMS[at]!;
      expect(claim(witness, ...words.exec(reason)!.slice(1)))
        .withContext(`a reason that is not true: ${about}`)
        .toBeTrue();
    }
    if (report.replaced.length === 0) return 'left';
    const found = new Witness(swapped as GraphArtifacts).run('out');
    expect(found.shape).withContext(about).toEqual(expected.shape);
    const finite = expected.values.every(Number.isFinite);
    const error = found.values.reduce((most, value, i) => Math.max(most, Math.abs(value - expected.values[i]!)), 0);
    if (finite) expect(error).withContext(about).toBeLessThan(1e-4);
    return 'replaced';
  }

  it('is true of every graph, and what is swapped computes the same', () => {
    const claimed = new Map<number, number>();
    const seen = {replaced: 0, left: 0};
    fc.assert(
      fc.property(attentions, (odd) => {
        const outcome = check(odd, claimed);
        if (outcome !== undefined) seen[outcome]++;
      }),
      {numRuns: 1000},
    );
    expect(seen.replaced).toBeGreaterThan(50);
    expect(seen.left).toBeGreaterThan(150);
    expect(claimed.size).toBeGreaterThan(15);
  });

  const single: OddAttention = {product: 'adjoint', before: [], behind: [], last: 'plain', declared: 'all'};
  /** Those that the value does not fit any more. */
  const unfit = ['turns pairs', 'merges heads', 'merges keys', 'cuts keys'];
  for (const name of Object.keys(BEFORE)) {
    it(`is true where this alone stands before the softmax: ${name}`, () => {
      for (const declared of ['nothing', 'ranks', 'all'] as const) {
        const outcome = check({...single, before: [name], declared}, new Map());
        expect(outcome === undefined)
          .withContext(declared)
          .toBe(unfit.includes(name));
      }
    });
  }

  it('is true, and the numbers right, in what this test has found before', () => {
    const found: readonly Partial<OddAttention>[] = [
      // Reasons that named a mask where the scores are folded away, or two batch sizes that an Einsum takes for one.
      {product: 'einsum', before: ['divides pairs', 'hides all', 'scale by a row'], declared: 'nothing'},
      {product: 'queries first', before: ['again'], last: 'other sum', declared: 'ranks'},
      {product: 'sums heads', before: ['ones and zeros', 'turns heads', 'select a tensor'], last: 'value first'},
      // Wrong numbers: a shift of −1e9, which float32 sees; one that a scale of each key makes visible; heads turned beside an unknown rank.
      {product: 'einsum', before: ['again', 'hides all', 'two products'], declared: 'nothing'},
      {before: ['shift', 'scale by a row']},
      {before: ['shift', 'mask', 'divisor by a row']},
      {product: 'einsum', behind: ['turns heads'], declared: 'nothing'},
    ];
    for (const each of found)
      expect(check({...single, ...each}, new Map()))
        .withContext(JSON.stringify(each))
        .toBeDefined();
  });
});
