import {parseArgs} from 'node:util';
import {ASKED, type Asked} from './favoured.js';
import {list, oneOf, positive} from './options.js';
import {SYSTEMS, type OwnSystem} from './tier_options.js';

export interface MaskOptions {
  readonly lengths: readonly number[];
  readonly masks: readonly string[];
  readonly systems: readonly OwnSystem[];
  readonly asked: readonly Asked[];
  readonly heads: number;
  /** Time heads that differ, too. */
  readonly headed: boolean;
  /** Time gradients, too. */
  readonly backward: boolean;
  /** Time boolean tensors, too. */
  readonly tensors: boolean;
  readonly headDim: number;
  readonly json: string | undefined;
  /** No new row is started after this many seconds. */
  readonly budgetSeconds: number;
}

const OWN = SYSTEMS.filter((system) => system !== 'prototype matrix');

export const MASKS_HELP = `npm run bench:masks -- [options]
  --n 1024,4096,16384      tokens (on a software adapter 200)
  --masks swin,hub         masks, or none (default all, from 8,192 tokens on those of few pairs; on a software adapter four)
  --systems float32,tensor-cores
                           also float32-subgroups, float16-storage
  --ask auto,dense         which ways to compute each are timed (default all): auto, fused, dense, arithmetic, lists, low-lists,
                           row-by-row, in-fours
  --heads 8                heads
  --headdim 64             features of a head
  --no-headed              leave out heads of different patterns in one call
  --backward               time gradients, too: a forward and a backward pass by TensorFlow.js
  --tensors                time window, causal and full as boolean tensors of the call, too, beside the same as patterns,
                           forward and backward by TensorFlow.js; only below 8,192 tokens
  --json FILE              write the JSON lines to FILE
  --budget 300             start no new row after so many seconds`;

/** Reads the command line. */
export function parseMaskOptions(args: readonly string[], names: readonly string[], software: boolean): MaskOptions | 'help' {
  const {values} = parseArgs({
    args: [...args],
    allowNegative: true,
    options: {
      help: {type: 'boolean', default: false},
      n: {type: 'string', default: software ? '200' : '1024,4096,16384'},
      masks: {type: 'string', default: (software ? ['nearest16', 'fixed', 'swin', 'hub'] : names).join()},
      systems: {type: 'string', default: software ? 'float32' : 'float32,tensor-cores'},
      ask: {type: 'string', default: ASKED.join()},
      heads: {type: 'string', default: software ? '2' : '8'},
      headdim: {type: 'string', default: '64'},
      headed: {type: 'boolean', default: true},
      backward: {type: 'boolean', default: false},
      tensors: {type: 'boolean', default: false},
      json: {type: 'string'},
      budget: {type: 'string', default: '300'},
    },
  });
  if (values.help) return 'help';
  return {
    lengths: list(values.n).map((text) => positive('--n', text)),
    masks: (values.masks === 'none' ? [] : list(values.masks)).map((text) => oneOf('--masks', text, names)),
    systems: list(values.systems).map((text) => oneOf('--systems', text.replaceAll('-', ' '), OWN)),
    asked: list(values.ask).map((text) => oneOf('--ask', text.replaceAll('-', ' '), ASKED)),
    heads: positive('--heads', values.heads),
    headed: values.headed,
    backward: values.backward,
    tensors: values.tensors,
    headDim: positive('--headdim', values.headdim),
    json: values.json,
    budgetSeconds: positive('--budget', values.budget),
  };
}
