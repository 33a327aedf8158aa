import {markdownTable} from '../../bench/table.js';
import {bytes, duration, factor, percent, whole} from '../shell/format.js';
import type {Verdict} from '../shell/verdicts.js';
import type {Row} from './measure.js';

/** Where and when: what makes the numbers worth keeping. */
export interface Setting {
  readonly date: string;
  readonly gpu: string;
  readonly backend: string;
  readonly browser: string;
  readonly heads: number;
  readonly headDim: number;
  readonly tfjs: string;
}

/** One length: what each system took. */
export interface Line {
  readonly n: number;
  readonly cells: readonly Cell[];
}

export interface Cell {
  readonly system: string;
  /** `0.21 ms`, or why there is none. */
  readonly time: string;
  /** `16×` faster than dense at this length; empty where one of them is missing. */
  readonly ratio: string;
  /** `3.1 MiB` */
  readonly memory: string;
  readonly measured: boolean;
}

export const systemsOf = (rows: readonly Row[]): string[] => [...new Set(rows.map(({system}) => system))];

/** The rows by length, columns in the order of `systemsOf`. */
export function linesOf(rows: readonly Row[]): Line[] {
  const systems = systemsOf(rows);
  return [...new Set(rows.map(({n}) => n))].map((n) => {
    const find = (system: string): Row | undefined => rows.find((row) => row.n === n && row.system === system);
    const dense = find('dense')?.ms ?? null;
    const cells = systems.map((system) => {
      const row = find(system);
      const ms = row?.ms ?? null;
      return {
        system,
        time: ms === null ? (row?.reason ?? '–') : duration(ms),
        ratio: ms === null || dense === null || system === 'dense' ? '' : factor(dense / ms),
        memory: row?.bytes == null ? '' : bytes(row.bytes),
        measured: ms !== null,
      };
    });
    return {n, cells};
  });
}

export function markdown(setting: Setting, rows: readonly Row[]): string {
  const short = ({time, ratio, measured}: Cell): string => (measured ? time + (ratio && ` (${ratio})`) : time.split(':')[0]!);
  const table = markdownTable(
    ['n', ...systemsOf(rows).map((system) => (system === 'dense' ? 'tfjs dense' : system))],
    linesOf(rows).map(({n, cells}) => [whole(n), ...cells.map(short)]),
  );
  const {date, gpu, backend, browser, heads, headDim, tfjs} = setting;
  return [
    `tfjs-splat against dense attention of TensorFlow.js ${tfjs}: time of a call, and how many times faster than dense`,
    table,
    `${date}, ${gpu} (${backend}), ${heads} heads of ${headDim}, float32; ${browser}`,
  ].join('\n\n');
}

export const json = (setting: Setting, rows: readonly Row[]): string => JSON.stringify({...setting, rows}, null, 2);

/** What the numbers say, in sentences. */
export function verdicts(rows: readonly Row[], largestError: number): Verdict[] {
  const found: Verdict[] = [];
  const errors = rows.flatMap(({maxError}) => (maxError === null ? [] : [maxError]));
  if (errors.length > 0) {
    const worst = Math.max(...errors);
    found.push(
      worst <= largestError
        ? {state: 'good', text: `Every answer is right: within ${worst.toExponential(1)} of float64 on sampled rows.`}
        : {state: 'bad', text: `An answer is wrong by ${worst.toExponential(1)}.`},
    );
  }
  const best = bestOf(rows);
  if (best !== null) {
    const {row, ratio} = best;
    found.push({
      state: 'open',
      text: `At n = ${whole(row.n)}, ${row.system} (${percent(row.density)} of the pairs) takes ${duration(row.ms!)}: ${
        ratio >= 1 ? `${factor(ratio)} faster than dense` : `dense is ${factor(1 / ratio)} faster`
      }.`,
    });
  }
  const misfit = rows.find(({system, reason}) => system === 'dense' && reason?.startsWith('does not fit'));
  if (misfit) found.push({state: 'open', text: `From n = ${whole(misfit.n)} on dense attention ${misfit.reason}.`});
  return found;
}

/** The largest gain at the longest length where dense ran. */
function bestOf(rows: readonly Row[]): {row: Row; ratio: number} | null {
  const dense = rows.findLast(({system, ms}) => system === 'dense' && ms !== null);
  if (dense === undefined) return null;
  const others = rows.filter(({system, n, ms}) => system !== 'dense' && n === dense.n && ms !== null);
  const ranked = others.map((row) => ({row, ratio: dense.ms! / row.ms!})).sort((a, b) => b.ratio - a.ratio);
  return ranked[0] ?? null;
}
