import type {io} from '@tensorflow/tfjs-core';
import {sparseIOHandler, type FoldReport, type Pattern, type SwapReport} from '../../src/index.js';
import {executedNodes} from '../../test/support/executed_nodes.js';
import {bytes, whole} from '../shell/format.js';
import type {Verdict} from '../shell/verdicts.js';

/** What a swap would do to a model, from its graph alone. */
export interface Analysis {
  readonly report: SwapReport;
  /** Nodes that a run executes as the model is; constants and inputs are none. */
  readonly nodes: number;
}

export function analyse(artifacts: io.ModelArtifacts, pattern: Pattern): Analysis {
  const handler = sparseIOHandler(artifacts, {pattern});
  handler.load();
  return {report: handler.report!, nodes: nodesOf(artifacts)};
}

/** None where there is no graph, which the report says. */
function nodesOf(artifacts: io.ModelArtifacts): number {
  const {node} = (artifacts.modelTopology ?? {}) as {node?: unknown};
  return Array.isArray(node) ? executedNodes(artifacts).length : 0;
}

/** Nodes that a run executes, from one stage of loading to the next. */
export interface Stage {
  readonly name: string;
  readonly nodes: number;
}

/** The model as it is, with its attention swapped, and folded as well; the last two where there are such. */
export function stagesOf({report: {folded}, nodes}: Analysis): Stage[] {
  const asIs = {name: 'as it is', nodes};
  return folded === undefined
    ? [asIs]
    : [asIs, {name: 'attention swapped', nodes: folded.before}, {name: 'and folded', nodes: folded.after}];
}

type FoldKind = FoldReport['folds'][number]['kind'];

/** What each kind of fold does, for somebody who has not read the guide. The first of each are what is left of many nodes. */
const FOLD_WORDS: Readonly<Record<FoldKind, {readonly makes: boolean; readonly what: string}>> = {
  'dense layer': {makes: true, what: 'a product with its bias and activation, and the reshapes around it'},
  'joined projections': {makes: true, what: 'products of one tensor, whose parts the attention reads where they lie'},
  'layer norm': {makes: true, what: 'means, variance, scale and shift, with the residual added before them'},
  'RMS norm': {makes: true, what: 'mean square and scale, with the residual added before them'},
  GELU: {makes: true, what: 'the error function or the hyperbolic tangent, and the arithmetic around it'},
  SiLU: {makes: true, what: 'a sigmoid and a product'},
  heads: {makes: true, what: 'reshapes and transposes that split features into heads or merge them'},
  constant: {makes: true, what: 'arithmetic of weights alone, done once while the model loads'},
  'shape arithmetic': {makes: false, what: 'sizes that were computed to be reshaped to'},
  duplicate: {makes: false, what: 'what another node computes already, such as the mask of another layer'},
  'pass-through': {makes: false, what: 'nodes that change nothing'},
};

/** A line of the table of folds. */
export interface FoldLine {
  readonly kind: FoldKind;
  readonly what: string;
  /** `25 remain`, `20 gone` */
  readonly happens: string;
}

export function foldLines({folded}: SwapReport): FoldLine[] {
  return (folded?.folds ?? []).map(({kind, count}) => {
    const {makes, what} = FOLD_WORDS[kind];
    return {kind, what, happens: `${whole(count)} ${makes ? 'remain' : 'gone'}`};
  });
}

/** A line of the table. */
export interface AttentionLine {
  readonly name: string;
  readonly happens: string;
  readonly scale: string;
  /** Tensors that say which scores count, or that are added to them. */
  readonly masks: readonly string[];
}

export function attentionLines({replaced, left}: SwapReport): AttentionLine[] {
  return [
    ...replaced.map(({name, scale, bias, causal, kept}) => ({
      name,
      happens: [
        'swapped',
        ...(causal ? ['its causal mask joined the pattern'] : []),
        ...(kept.length > 0 ? [`${kept.join(', ')} still ${kept.length === 1 ? 'runs' : 'run'} for others`] : []),
      ].join('; '),
      scale: String(Number(scale.toPrecision(6))),
      masks: bias,
    })),
    ...left.map(({name, reason}) => ({name, happens: `left: ${reason}`, scale: '', masks: []})),
  ];
}

/** The report in sentences. `length` is what the reader asked for. */
export function reportVerdicts({report, nodes}: Analysis, hasWeights: boolean, length: number): Verdict[] {
  const {found, replaced, left, einsums, notes, problems, folded} = report;
  // Without weights nothing is swapped, for one reason that everybody can help.
  const verdicts: Verdict[] = hasWeights ? problems.map((text) => ({state: 'bad', text})) : [];
  const say = (text: string): number => verdicts.push({state: 'open', text});
  if (found > 0) {
    const stay = left.length === 1 ? '1 stays as it is' : `${left.length} stay as they are`;
    const swapped = `${replaced.length} of ${found} ${found === 1 ? 'attention is' : 'attentions are'} swapped`;
    verdicts.push({
      state: replaced.length > 0 ? 'good' : 'open',
      text: `${swapped}${left.length > 0 ? `, ${stay}; the table says why` : ''}.`,
    });
  } else if (problems.length === 0) {
    say('No attention was found in this graph: no softmax over the product of queries and keys.');
  }
  if (!hasWeights) {
    say(
      'Scales, permutations and shapes of a graph are among its weights. Give the weight files as well to see what can be swapped.',
    );
  }
  if (replaced.length > 0) {
    const size = bytes(4 * length * length);
    say(
      `Gone at ${whole(length)} tokens: ${replaced.length} times a score matrix of ${size} for each head, and the softmax over it.`,
    );
  }
  if (folded !== undefined && folded.after < folded.before) {
    verdicts.push({
      state: 'good',
      text: `A run executes ${whole(folded.after)} nodes in place of ${whole(nodes)}: ${whole(nodes - folded.before)} fewer by the swap, ${whole(folded.before - folded.after)} by folding what is around the attention.`,
    });
  }
  if (einsums > 0) say(`${einsums} Einsum ${einsums === 1 ? 'node' : 'nodes'} elsewhere became matrix products.`);
  notes.forEach(say);
  return verdicts;
}
