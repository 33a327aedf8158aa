import {parseArgs} from 'node:util';
import {nearestName, refuse} from '../src/support/index.js';

export interface Options {
  /** Sequence lengths. */
  readonly lengths: readonly number[];
  /** Names from patterns.ts. */
  readonly patterns: readonly string[];
  readonly heads: number;
  readonly headDim: number;
  readonly implementations: readonly Implementation[];
  /** File that gets the JSON lines, or undefined: they are printed after the table then. */
  readonly json: string | undefined;
  /** Time TensorFlow.js dense attention too. */
  readonly dense: boolean;
  /** Time the throw-away prototype of bench/peers too. */
  readonly peers: boolean;
  /** No new row is started after this many seconds. */
  readonly budgetSeconds: number;
}

export type Implementation = 'auto' | 'fused' | 'dense';

export const HELP = `npm run bench -- [options]
  --n 1024,4096,16384      sequence lengths
  --patterns causal,full   patterns (default: all; on a software adapter window64)
  --heads 8                heads
  --headdim 64             headDim
  --implementations auto   auto, fused, dense
  --software               the small sweep of software adapters (n = 2048, window64), also on a real GPU
  --json FILE              write the JSON lines to FILE
  --no-dense               leave out TensorFlow.js dense attention
  --no-peers               leave out the prototype of bench/peers
  --budget 300             start no new row after so many seconds`;

/** Reads the command line. `software`: the adapter is a CPU that pretends, for which the full sweep would take hours. */
export function parseOptions(args: readonly string[], patternNames: readonly string[], software: boolean): Options | 'help' {
  const {values} = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      help: {type: 'boolean', default: false},
      n: {type: 'string'},
      patterns: {type: 'string'},
      heads: {type: 'string', default: '8'},
      headdim: {type: 'string', default: '64'},
      implementations: {type: 'string', default: 'auto'},
      software: {type: 'boolean', default: software},
      json: {type: 'string'},
      dense: {type: 'boolean', default: true},
      peers: {type: 'boolean', default: true},
      budget: {type: 'string', default: '300'},
    },
  });
  if (values.help) return 'help';
  const sweep = values.software
    ? {n: '2048', patterns: 'window64'}
    : {n: '1024,4096,16384', patterns: patternNames.filter((name) => name !== 'window64').join(',')};
  return {
    lengths: list(values.n ?? sweep.n).map((text) => positive('--n', text)),
    patterns: list(values.patterns ?? sweep.patterns).map((text) => oneOf('--patterns', text, patternNames)),
    heads: positive('--heads', values.heads),
    headDim: positive('--headdim', values.headdim),
    implementations: list(values.implementations).map((text) =>
      oneOf('--implementations', text, ['auto', 'fused', 'dense'] as const),
    ),
    json: values.json,
    dense: values.dense,
    peers: values.peers && !software,
    budgetSeconds: positive('--budget', values.budget),
  };
}

export const list = (text: string): string[] => text.split(',').map((item) => item.trim());

export function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) refuse(option, `'${text}'`, 'a positive integer', 'See --help.');
  return value;
}

export function oneOf<T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((name) => name === text);
  if (found !== undefined) return found;
  const near = nearestName(text, known);
  return refuse(option, `'${text}'`, `one of ${known.join(', ')}`, near ? `Did you mean '${near}'?` : 'See --help.');
}
