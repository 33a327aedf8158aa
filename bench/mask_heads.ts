import {causal, perHead, prefix, slidingWindow} from '../src/index.js';
import {maskRows} from './mask_rows.js';
import type {BenchPattern} from './patterns.js';
import type {MaskRecord} from './records.js';
import {digits, times} from './table.js';
import type {OwnSystem} from './tier_options.js';
import {TierWorkload, type TierBench} from './tier_workload.js';

interface Call extends BenchPattern {
  readonly heads: number;
}

const [STREAMING, FULL] = [6, 2];
const streaming = prefix(4)
  .or(slidingWindow({left: 255}))
  .and(causal());
const streams = (query: number, key: number): boolean => key <= query && (key < 4 || query - key < 256);
const follows = (query: number, key: number): boolean => key <= query;

/** Heads as DuoAttention has them: most keep four sinks and a window, few keep all. */
const CALLS: readonly [together: Call, ...apart: Call[]] = [
  {
    name: '6 streaming, 2 full heads',
    says: 'k ≤ q, and in the first six heads k < 4 or q − k < 256',
    heads: STREAMING + FULL,
    pattern: perHead([...Array(STREAMING).fill(streaming), ...Array(FULL).fill(causal())]),
    attends: (query, key, head = 0) => (head < STREAMING ? streams(query, key) : follows(query, key)),
  },
  {name: '6 streaming heads', says: 'k ≤ q, k < 4 or q − k < 256', heads: STREAMING, pattern: streaming, attends: streams},
  {name: '2 full heads', says: 'k ≤ q', heads: FULL, pattern: causal(), attends: follows},
];

/** One call of heads that differ, and the two calls that it stands for. */
export async function* headRows(
  bench: TierBench,
  n: number,
  headDim: number,
  system: OwnSystem,
  late: () => boolean,
): AsyncGenerator<MaskRecord> {
  for (const {heads, ...pattern} of CALLS) {
    const workload = new TierWorkload({...bench, heads}, n, headDim);
    yield* maskRows(workload, system, pattern, ['auto'], late);
    workload.dispose();
  }
}

/** The most that one call may take, in times of the two. */
const TARGET = 1.15;

/** One call beside the sum of two. */
export function headsText(records: readonly MaskRecord[]): string {
  const [together, ...apart] = CALLS.map(({name}) => records.filter(({mask}) => mask === name));
  return together!
    .flatMap((one) => {
      const parts = apart.map((rows) => rows.find(({n, system}) => n === one.n && system === one.system)?.ms ?? NaN);
      const ratio = (one.ms ?? NaN) / parts.reduce((a, b) => a + b);
      if (!Number.isFinite(ratio)) return [];
      const said = ratio <= TARGET ? '' : `, more than ${TARGET}×`;
      return [
        `${one.mask}, ${one.n}, ${one.system}: ${digits(one.ms)} ms in one call, ${parts.map(digits).join(' + ')} in two (${times(ratio)}${said})`,
      ];
    })
    .join('\n');
}
