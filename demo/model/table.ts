import {markdownTable} from '../../bench/table.js';
import type {Mode} from '../language_model/index.js';
import {bytes, duration, factor, whole} from '../shell/format.js';

export const MODES: readonly Mode[] = ['sparse', 'dense'];

/** What both took at one length of the context. */
export interface LengthRow {
  readonly context: number;
  readonly mode: Mode;
  readonly firstMs: number;
  readonly byteMs: number;
  readonly cacheBytes: number;
}

/** A header and a line for each context. */
export function tableOf(rows: readonly LengthRow[]): string[][] {
  const header = [
    'context',
    'sparse, a byte',
    'dense, a byte',
    'faster',
    'sparse, first byte',
    'dense, first byte',
    'sparse cache',
    'dense cache',
  ];
  const lines = [...new Set(rows.map(({context}) => context))].map((context) => {
    const [sparse, dense] = MODES.map((mode) => rows.find((row) => row.context === context && row.mode === mode)!);
    return [
      whole(context),
      duration(sparse!.byteMs),
      duration(dense!.byteMs),
      factor(dense!.byteMs / sparse!.byteMs),
      duration(sparse!.firstMs),
      duration(dense!.firstMs),
      bytes(sparse!.cacheBytes),
      bytes(dense!.cacheBytes),
    ];
  });
  return [header, ...lines];
}

export function lengthsMarkdown(rows: readonly LengthRow[], setting: string): string {
  const [header, ...lines] = tableOf(rows);
  return `${markdownTable(header!, lines)}\n\n${setting}`;
}
