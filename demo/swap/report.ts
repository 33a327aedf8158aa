import type {io} from '@tensorflow/tfjs-core';
import {sparseIOHandler, type Pattern, type SwapReport} from '../../src/index.js';
import {bytes, whole} from '../shell/format.js';
import type {Verdict} from '../shell/verdicts.js';

/** What a swap would do to a model, from its graph alone. */
export interface Analysis {
  readonly report: SwapReport;
  /** Nodes that a run executes, unfolded and folded; all nodes where nothing could be folded. */
  readonly nodesBefore: number;
  readonly nodesAfter: number;
}

export function analyse(artifacts: io.ModelArtifacts, pattern: Pattern): Analysis {
  const handler = sparseIOHandler(artifacts, {pattern});
  const swapped = handler.load();
  const report = handler.report!;
  // Folded nodes stay in the graph, where they are not executed.
  const {before: nodesBefore, after: nodesAfter} = report.folded ?? {before: nodesOf(artifacts), after: nodesOf(swapped)};
  return {report, nodesBefore, nodesAfter};
}

const nodesOf = ({modelTopology}: io.ModelArtifacts): number =>
  (modelTopology as {node?: readonly unknown[]} | undefined)?.node?.length ?? 0;

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
export function reportVerdicts({report}: Analysis, hasWeights: boolean, length: number): Verdict[] {
  const {found, replaced, left, einsums, notes, problems} = report;
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
  if (einsums > 0) say(`${einsums} Einsum ${einsums === 1 ? 'node' : 'nodes'} elsewhere became matrix products.`);
  notes.forEach(say);
  return verdicts;
}
