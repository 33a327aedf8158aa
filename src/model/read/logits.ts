import {causalMaskOf, FAR, type Alignment, type CausalMask} from './causal.js';
import {contractionOf} from '../graph/contraction.js';
import {isProduct, leadsToProduct} from './dense_layers.js';
import {type Assumption, type Folded, NO_ASSUMPTION, type Result} from './fold.js';
import {dataInputs, textAttr, type NodeDef} from '../graph/graph.js';
import {without} from './growth.js';
import {through, withRank, withTerm, type Logits, type LogitsContext} from './normal_form.js';
import {regroup} from './regroup.js';
import {restoredFrom} from './restored.js';
import {LEAST_FACTOR, withScale} from './scale.js';

/**
 * The logits that a softmax reads, or, when they are not of the normal form, why.
 *
 * A scale may come before the product (on query or key, see `operands.ts`) or after it. Additive masks may stand on either side of an
 * Add, AddV2 or AddN, nested in any way, or be subtracted; a constant that is added to all scores is left out, because softmax does not
 * see it. Masks may also select (`SelectV2`) or multiply. Reshapes that only regroup axes are followed.
 */
export function readLogits(context: LogitsContext, input: string): Logits | string {
  const known = context.logits.get(input);
  if (known !== undefined) return known;
  // Until it is read: a loop of the graph leads nowhere.
  context.logits.set(input, `'${input}' depends on itself`);
  const logits = readNode(context, input);
  context.logits.set(input, logits);
  return logits;
}

/** Whether a tensor comes from a product of two activations, or holds pairs of one. */
export const leadsToScores = ({shapes, pairs}: LogitsContext, tensor: string): boolean =>
  leadsToProduct(shapes, tensor) || pairs.has(tensor);

function readNode(context: LogitsContext, input: string): Logits | string {
  const {shapes} = context;
  const node = shapes.graph.producer(input);
  if (node === undefined) return `'${input}', which the softmax depends on, cannot be followed to a product of query and key`;
  const inputs = dataInputs(node);
  switch (node.op) {
    case 'Mul':
    case 'RealDiv':
    case 'Div':
      return readScaled(context, node, inputs);
    case 'Add':
    case 'AddV2':
    case 'AddN':
    case 'Sub':
      return readSum(context, node, inputs);
    case 'SelectV2':
    case 'Select':
      return readSelect(context, node, inputs);
    case 'Reshape':
    case 'ExpandDims':
    case 'Squeeze':
      return readReshape(context, node, inputs[0] ?? '');
    case 'Transpose':
      return readTranspose(context, node, inputs);
    default:
      return readProduct(context, node);
  }
}

function readProduct({shapes}: LogitsContext, node: NodeDef): Logits | string {
  const contraction = contractionOf(shapes, node);
  if (contraction === undefined && node.op === 'Einsum') {
    return `the Einsum '${node.name}' (${textAttr(node.attr?.['equation'])}) is no product of two tensors by distinct axes`;
  }
  if (contraction === undefined) return `the ${node.op} '${node.name}' stands between the product of query and key and the softmax`;
  if (!isProduct(shapes, node)) return `the ${node.op} '${node.name}' multiplies with weights`;
  const dims = contraction.out.map((label) => [label]);
  const path = [{name: node.name, dims, masked: false}];
  return {product: node, contraction, dims, sizes: new Map(), splits: new Map(), scale: 1, terms: [], growth: [], path};
}

function readScaled(context: LogitsContext, node: NodeDef, [left = '', right = '']: readonly string[]): Logits | string {
  const byRight = node.op === 'Mul' ? context.folder.number(right) : reciprocal(context.folder.number(right));
  const byLeft = node.op === 'Mul' ? context.folder.number(left) : undefined;
  const factor = byRight ?? byLeft;
  if (factor === undefined)
    return node.op === 'Mul' ? readMultiplied(context, node, left, right) : readDivided(context, node, left, right);
  if (!Number.isFinite(factor)) return `'${node.name}' scales the scores by ${factor}`;
  const [scores, tensor] = factor === byRight ? [left, right] : [right, left];
  const read = readLogits(context, scores);
  if (typeof read === 'string') return leadsToScores(context, scores) ? read : `'${tensor}' is the same whatever its scores are`;
  const inner = without(context, read, context.folder.fold(tensor, NO_ASSUMPTION)?.lost ?? [{shape: undefined}]);
  if (inner === undefined) return withScale(context, node, read, tensor, node.op === 'Mul' ? 'times' : 'over');
  const hides = inner.causal !== undefined || inner.terms.some(({kind}) => kind === 'keep' || kind === 'drop');
  if (hides && factor < LEAST_FACTOR) return `'${node.name}' scales masked scores by ${factor}`;
  const terms = inner.terms.map((term) => (term.kind === 'add' ? {...term, factor: term.factor * factor} : term));
  return through(node, inner, {scale: inner.scale * factor, terms});
}

const reciprocal = (x: number | undefined): number | undefined => (x === undefined ? undefined : 1 / x);

/** Scores times a scale for each row or key, or times a mask, as GPT-2 has it. */
function readMultiplied(context: LogitsContext, node: NodeDef, left: string, right: string): Logits | string {
  const tries = [readLogits(context, left), readLogits(context, right)] as const;
  const at = tries.findIndex((logits) => typeof logits !== 'string');
  if (at < 0) return leadsToScores(context, left) ? (tries[0] as string) : (tries[1] as string);
  const inner = tries[at] as Logits;
  const other = at === 0 ? right : left;
  const mask = context.shapes.graph.source(other)?.input ?? '';
  if (!context.folder.isIndicator(mask)) return withScale(context, node, inner, other, 'times');
  if (inner.multiplied !== undefined) return `'${node.name}' multiplies the scores by a second mask`;
  return through(node, withRank(inner, context.shapes.rank(mask)), {multiplied: mask});
}

function readDivided(context: LogitsContext, node: NodeDef, left: string, right: string): Logits | string {
  const inner = readLogits(context, left);
  if (typeof inner !== 'string') return withScale(context, node, inner, right, 'over');
  return leadsToScores(context, left) ? inner : `'${node.name}' divides by the scores`;
}

function readSum(context: LogitsContext, node: NodeDef, inputs: readonly string[]): Logits | string {
  const terms = inputs.map((input) => readLogits(context, input));
  const fitting = terms.flatMap((term, index) => (typeof term === 'string' ? [] : [{term, index}]));
  if (fitting.length > 1) return `'${node.name}' adds two products; which of them is query times key cannot be told`;
  const found = fitting[0];
  if (found === undefined) {
    const scores = inputs.findIndex((input) => leadsToScores(context, input));
    return terms[Math.max(scores, 0)] as string;
  }
  if (node.op === 'Sub' && found.index === 1) return `'${node.name}' subtracts the scores`;
  if (node.op === 'Sub' && isMaximum(context, inputs[1]!, inputs[0]!)) {
    return through(node, found.term, {shifted: true, maximum: found.term.dims.at(-1)!.join('+')});
  }
  const others = inputs.filter((_, index) => index !== found.index);
  const sum = others.reduce((logits, other) => withAddend(context, logits, other, node.op === 'Sub' ? -1 : 1), found.term);
  return through(node, sum, {});
}

/** Whether a tensor is the maximum of each row of another one. */
function isMaximum({shapes}: LogitsContext, tensor: string, whole: string): boolean {
  const maximum = restoredFrom(shapes, tensor, 'Max', whole, false);
  return maximum !== undefined && 'nodes' in maximum;
}

/** Below this a number that is added to all scores is none: 1e-9 keeps divisions from 0 in other layers. */
const NO_SHIFT = 1e-6;
/** Softmax does not see a shift of all scores, but float32 does: beside 128 scores are rounded to 8e-6, beside 1e9 nothing is left. */
const LARGEST_SHIFT = 128;

/** The logits of which a number was added to all, which softmax does not see. */
const shiftedBy = (logits: Logits | undefined, number: number): Logits | undefined =>
  logits === undefined || Math.abs(number) < NO_SHIFT ? logits : {...logits, shifted: true};

/** The logits with a tensor added: as a mask if it is one, without what softmax does not see, or as it is. */
function withAddend(context: LogitsContext, logits: Logits, input: string, factor: number): Logits {
  const {folder, shapes} = context;
  const whole = folder.fold(input, NO_ASSUMPTION);
  const isShift = typeof whole?.value === 'number' && Math.abs(whole.value) <= LARGEST_SHIFT;
  const unshifted = isShift ? shiftedBy(without(context, logits, whole.lost), Number(whole.value) * factor) : undefined;
  if (unshifted !== undefined) return unshifted;
  const pushed = logits.multiplied === undefined ? undefined : pushedDown(context, logits, input, factor);
  if (pushed !== undefined) return pushed;

  const split = splitCausal(context, logits, (assume) => folder.fold(input, assume));
  if (split !== undefined && typeof split.hidden === 'number' && split.hidden * factor <= FAR) {
    const rest = withRest(context, {...logits, causal: split.alignment}, split.visible, factor);
    if (rest !== undefined) return rest;
  }
  const node = shapes.graph.producer(input);
  if (node !== undefined && ['Add', 'AddV2', 'AddN', 'Sub'].includes(node.op)) {
    const parts = dataInputs(node).reduce(
      (sum, part, i) => withAddend(context, sum, part, node.op === 'Sub' && i === 1 ? -factor : factor),
      logits,
    );
    // Apart only where that saves something: one tensor, made once for all layers, is better than two.
    const fewer = parts.terms.length - logits.terms.length < 2;
    if (fewer || parts.causal !== logits.causal || parts.multiplied !== logits.multiplied) return parts;
  }
  const folded = typeof whole?.value === 'string' ? withRest(context, logits, whole, factor) : undefined;
  return folded ?? withTerm(context, logits, {input, kind: 'add', factor});
}

/** The logits with what is left of an addend. */
function withRest(context: LogitsContext, logits: Logits, {value, lost}: Result, factor: number): Logits | undefined {
  if (typeof value === 'number') {
    return Math.abs(value) > LARGEST_SHIFT ? undefined : shiftedBy(without(context, logits, lost), value * factor);
  }
  const grown = without(context, logits, lost, [value]);
  return grown && withTerm(context, grown, {input: value, kind: 'add', factor});
}

/** scores · M + far · (1 − M): what M makes 0 is pushed down, so M selects. Undefined when the addend is something else. */
function pushedDown(context: LogitsContext, logits: Logits, input: string, factor: number): Logits | undefined {
  const mask = logits.multiplied!;
  const under =
    (value: number): Assumption =>
    (tensor) =>
      tensor === mask ? value : undefined;
  const [hidden, visible] = [0, 1].map((value) => context.folder.fold(input, under(value)));
  if (!hidden?.used || typeof hidden.value !== 'number' || hidden.value * factor > FAR) return undefined;
  const {multiplied: _, ...open} = logits;
  const selected = withCondition(context, open, mask, 'keep');
  if (typeof selected === 'string' || visible === undefined) return undefined;
  // The mask itself is there as a condition.
  const lost = visible.lost.filter(({name}) => name !== mask);
  return withRest(context, selected, {...visible, lost}, factor);
}

function readSelect(
  context: LogitsContext,
  node: NodeDef,
  [condition = '', yes = '', no = '']: readonly string[],
): Logits | string {
  const tries = [readLogits(context, yes), readLogits(context, no)];
  const at = tries.findIndex((logits) => typeof logits !== 'string');
  if (at < 0) {
    const scores = [yes, no].findIndex((input) => leadsToScores(context, input));
    return scores < 0 ? `'${node.name}' selects by the scores` : (tries[scores] as string);
  }
  const far = at === 0 ? no : yes;
  const folded = context.folder.fold(far, NO_ASSUMPTION);
  const fill = typeof folded?.value === 'number' ? folded.value : undefined;
  if (folded === undefined || fill === undefined || !(fill <= FAR)) {
    return `'${node.name}' selects between the scores and ${fill === undefined ? 'another tensor' : `${fill}, which may not hide them`}`;
  }
  const inner = tries[at] as Logits;
  if (inner.multiplied !== undefined) return unanswered(inner.multiplied);
  const selected = withCondition(context, inner, condition, at === 0 ? 'keep' : 'drop');
  if (typeof selected === 'string') return selected;
  // A Select broadcasts nothing.
  const filled = node.op === 'Select' ? selected : without(context, selected, folded.lost, [condition]);
  return filled === undefined
    ? `'${node.name}' selects between the scores and '${far}', which may be larger than they are`
    : through(node, filled, {});
}

/** The logits where only the keys count for which a condition holds (`keep`), or does not (`drop`). */
function withCondition(context: LogitsContext, logits: Logits, condition: string, kind: 'keep' | 'drop'): Logits | string {
  const {folder, shapes} = context;
  const [visible, hidden] = kind === 'keep' ? [1, 0] : [0, 1];
  const take = (base: Logits, {value, lost}: Result): Logits | string | undefined => {
    if (typeof value === 'number') {
      return value === visible ? without(context, base, lost) : `the condition '${condition}' hides every key`;
    }
    const grown = without(context, base, lost, [value]);
    return grown && withTerm(context, grown, {input: value, kind, factor: 1});
  };
  const split = splitCausal(context, logits, (assume) => folder.fold(condition, assume));
  const taken = split?.hidden === hidden ? take({...logits, causal: split.alignment}, split.visible) : undefined;
  if (taken !== undefined) return taken;
  const source = {value: shapes.graph.source(condition)?.input ?? condition, used: false, lost: []};
  return (
    take(logits, folder.fold(condition, NO_ASSUMPTION) ?? source) ??
    withTerm(context, logits, {input: source.value, kind, factor: 1})
  );
}

/**
 * A mask taken apart by the causal masks in it: what is left of it where a key is no later than its query, and where it is. Undefined
 * when there is none, or none that this attention can have besides the one it has.
 */
function splitCausal(
  context: LogitsContext,
  logits: Logits,
  evaluate: (assume: Assumption) => Result | undefined,
): {alignment: Alignment; visible: Result; hidden: Folded} | undefined {
  let alignment: Alignment | undefined = logits.causal;
  let [found, mixed] = [false, false];
  const under =
    (side: 'visible' | 'hidden'): Assumption =>
    (_, node) => {
      const mask = cachedCausal(context, node);
      if (mask === undefined) return undefined;
      found = true;
      if (alignment === undefined || alignment === 'both') alignment = mask.alignment;
      else if (mask.alignment !== 'both' && mask.alignment !== alignment) mixed = true;
      return mask[side];
    };
  const [queries, keys] = logits.dims.slice(-2);
  if (queries?.length !== 1 || keys?.length !== 1) return undefined;
  const visible = evaluate(under('visible'));
  const hidden = found ? evaluate(under('hidden'))?.value : undefined;
  if (!found || mixed || visible === undefined || hidden === undefined || alignment === undefined) return undefined;
  return {alignment, visible, hidden};
}

function cachedCausal({shapes, causalMasks}: LogitsContext, node: NodeDef): CausalMask | undefined {
  if (!causalMasks.has(node.name)) causalMasks.set(node.name, causalMaskOf(shapes, node));
  return causalMasks.get(node.name);
}

function readReshape(context: LogitsContext, node: NodeDef, input: string): Logits | string {
  const inner = readLogits(context, input);
  if (typeof inner === 'string') return inner;
  const target = context.shapes.of(node.name);
  const sizes = new Map(inner.sizes);
  context.shapes.of(input)?.forEach((size, axis) => {
    const [label, ...more] = inner.dims[axis] ?? [];
    if (label !== undefined && more.length === 0) sizes.set(label, size);
  });
  const next = target && regroup(inner.dims, sizes, target, node.name);
  if (next === undefined) return `the ${node.op} '${node.name}' of the scores cannot be proven to only regroup heads`;
  return through(node, inner, {...next, splits: new Map([...inner.splits, ...next.splits])});
}

function readTranspose(context: LogitsContext, node: NodeDef, [input = '', permInput]: readonly string[]): Logits | string {
  const inner = readLogits(context, input);
  if (typeof inner === 'string') return inner;
  const perm = context.shapes.integers(permInput);
  if (perm?.length !== inner.dims.length || inner.dims[0]?.[0] === '*')
    return `the Transpose '${node.name}' of the scores has an unknown order`;
  if (inner.causal !== undefined || inner.multiplied !== undefined) {
    return `the Transpose '${node.name}' turns scores that were masked before, causally or by a product`;
  }
  return through(node, inner, {dims: perm.map((axis) => inner.dims[axis]!)});
}

/** Why a mask that multiplies is not enough. */
export const unanswered = (mask: string): string =>
  `'${mask}' multiplies the scores: what it makes 0 still counts, unless a large negative number is added there too`;
