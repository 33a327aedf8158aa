import {targetOf, targetText} from './model_targets.js';
import type {ModelRecord} from './model_record.js';
import type {BenchRecord} from './records.js';
import {digits, markdownTable, times} from './table.js';

/** The tables of whole models. */
export function modelTables(records: readonly BenchRecord[]): string[] {
  const rows = records.filter((record): record is ModelRecord => record.kind === 'model');
  if (rows.length === 0) return [];
  const {layers, heads, headDim, ffn} = rows[0]!;
  const failures = rows.filter(({ms}) => ms === null);
  const table = markdownTable(
    ['graph, part', 'n', 'pattern', 'system', 'ms', 'GPU ms', 'time / original', 'target', 'peak memory, MiB', 'full() differs by'],
    rows
      .filter(({ms}) => ms !== null)
      .map((row) => [
        `${row.graph}, ${row.part}`,
        String(row.n),
        row.pattern,
        row.system,
        row.error ?? digits(row.ms),
        digits(row.gpuMs),
        times(row.share),
        targetText(row),
        row.peakBytes === undefined ? '–' : digits(row.peakBytes / 2 ** 20),
        row.difference === undefined ? '–' : row.difference.toExponential(1),
      ]),
  );
  const judged = rows.filter((row) => targetOf(row) !== undefined && row.share !== undefined);
  const met = judged.filter((row) => row.share! <= targetOf(row)!).length;
  return [
    `A BERT of ${layers} layers, ${heads} heads of ${headDim} and ${ffn} features in between, batch 1, as converted and with its attention swapped, measured turn by turn:`,
    table,
    ...replayLines(rows),
    ...(failures.length > 0
      ? [failures.map((row) => `- ${row.graph}, ${row.part}, original at n = ${row.n}: ${row.error}.`).join('\n')]
      : []),
    ...(judged.length > 0 ? [`Targets met: ${met} of ${judged.length}.`] : []),
  ];
}

/** What captures cost, beside a run of what was captured. */
function replayLines(rows: readonly ModelRecord[]): string[] {
  const lines = rows.flatMap(({graph, n, system, replay, ms}) => {
    if (replay === undefined || ms === null) return [];
    const plain = rows.find(
      (row) => row.graph === graph && row.n === n && row.part === 'model' && `${row.system}, captured` === system,
    );
    if (plain === undefined || plain.ms === null) return [];
    const {captureMs, dispatches, dispatchUs} = replay;
    const runs = `${digits(captureMs / plain.ms)} runs`;
    return [
      `- ${graph}, ${system}, n = ${n}: captured in ${digits(captureMs)} ms, ${runs}; a replay of ${dispatches} dispatches takes the CPU ${digits(dispatchUs)} µs for each.`,
    ];
  });
  return lines.length === 0 ? [] : [lines.join('\n')];
}
