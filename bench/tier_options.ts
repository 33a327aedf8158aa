import {parseArgs} from 'node:util';
import {list, oneOf, positive} from './options.js';

/** What is compared; see tier_systems.ts for what each is. */
export const SYSTEMS = ['float32', 'float32 subgroups', 'float16 storage', 'tensor cores', 'prototype matrix'] as const;
export type System = (typeof SYSTEMS)[number];
export type OwnSystem = Exclude<System, 'prototype matrix'>;

/** One row per system. */
export interface TierCase {
  readonly pattern: string;
  readonly n: number;
  readonly headDim: number;
  readonly systems: readonly System[];
}

export interface TierOptions {
  /** In the order in which they run: cases of one size follow one another. */
  readonly cases: readonly TierCase[];
  readonly heads: number;
  /** Time tensor cores on keys that grow, too. */
  readonly adversarial: boolean;
  /** Time the CPU side of calls, this many of each; 0: not. */
  readonly calls: number;
  readonly json: string | undefined;
  /** No new row is started after this many seconds. */
  readonly budgetSeconds: number;
}

export const TIERS_HELP = `npm run bench:tiers -- [options]
  --n 1024,4096,16384      sequence lengths
  --patterns causal,full   patterns
  --headdim 64,128         headDims
                           (without these three: all patterns but window64 at headDim 64, causal and window n = 8192 at 32 and 128,
                           tensor cores on causal n = 16384 at 128; on a software adapter window64, n = 512)
  --systems float32,tensor-cores
                           default: ${SYSTEMS.join(', ')}
  --heads 8                heads
  --adversarial            tensor cores, also on causal n = 16384 with keys whose norm grows thirtyfold
  --calls 300              calls whose CPU time is taken; 0: none
  --json FILE              write the JSON lines to FILE
  --budget 150             start no new row after so many seconds`;

/** Reads the command line. */
export function parseTierOptions(
  args: readonly string[],
  patternNames: readonly string[],
  software: boolean,
): TierOptions | 'help' {
  const {values} = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      help: {type: 'boolean', default: false},
      n: {type: 'string'},
      patterns: {type: 'string'},
      headdim: {type: 'string'},
      systems: {type: 'string', default: SYSTEMS.join()},
      heads: {type: 'string', default: '8'},
      adversarial: {type: 'boolean', default: false},
      calls: {type: 'string', default: software ? '20' : '300'},
      json: {type: 'string'},
      budget: {type: 'string', default: '150'},
    },
  });
  if (values.help) return 'help';
  const systems = list(values.systems).map((text) => oneOf('--systems', text.replaceAll('-', ' '), SYSTEMS));
  const given = values.n !== undefined || values.patterns !== undefined || values.headdim !== undefined;
  const ordinary = patternNames.filter((name) => name !== 'window64');
  const cases = product(
    list(values.n ?? (software ? '512' : '1024,4096,16384')).map((text) => positive('--n', text)),
    list(values.headdim ?? '64').map((text) => positive('--headdim', text)),
    list(values.patterns ?? (software ? 'window64' : ordinary.join())).map((text) => oneOf('--patterns', text, patternNames)),
    systems,
  );
  if (!given && !software) {
    cases.push(...product([8192], [32, 128], ['causal', 'window'], systems));
    const matrices = systems.filter((system) => system === 'tensor cores' || system === 'prototype matrix');
    cases.push(...product([16384], [128], ['causal'], matrices));
  }
  return {
    cases,
    heads: positive('--heads', values.heads),
    adversarial: values.adversarial,
    calls: values.calls === '0' ? 0 : positive('--calls', values.calls),
    json: values.json,
    budgetSeconds: positive('--budget', values.budget),
  };
}

const product = (
  lengths: readonly number[],
  headDims: readonly number[],
  patterns: readonly string[],
  systems: readonly System[],
): TierCase[] => lengths.flatMap((n) => headDims.flatMap((headDim) => patterns.map((pattern) => ({pattern, n, headDim, systems}))));
