import type {ModelRecord} from './model_record.js';

/** The most that the swapped graph may take, as a share of the original's time in the same run. */
const TARGETS: readonly (Pick<ModelRecord, 'graph' | 'part' | 'n' | 'pattern'> & {readonly share: number})[] = [
  {graph: 'matMul', part: 'attention', n: 512, pattern: 'full', share: 0.6},
  {graph: 'matMul', part: 'model', n: 512, pattern: 'full', share: 1},
  {graph: 'Einsum', part: 'attention', n: 512, pattern: 'full', share: 0.25},
  {graph: 'Einsum', part: 'model', n: 512, pattern: 'full', share: 0.25},
  {graph: 'matMul', part: 'attention', n: 4096, pattern: 'longformer', share: 0.1},
  {graph: 'matMul', part: 'model', n: 4096, pattern: 'longformer', share: 0.5},
];

/** Outputs of a swap with `full()` differ by rounding only: the largest difference as a share of the largest output. */
export const LARGEST_DIFFERENCE = 1e-4;

export function targetOf({graph, part, n, pattern, system}: ModelRecord): number | undefined {
  if (system !== 'tfjs-splat') return undefined;
  return TARGETS.find((each) => each.graph === graph && each.part === part && each.n === n && each.pattern === pattern)?.share;
}

/** '≤ 0.6 met', '≤ 0.6 **missed**', or '–' where there is none or no original to compare with. */
export function targetText(record: ModelRecord): string {
  const target = targetOf(record);
  if (target === undefined) return '–';
  if (record.share === undefined) return `≤ ${target}`;
  return `≤ ${target} ${record.share <= target ? 'met' : '**missed**'}`;
}
