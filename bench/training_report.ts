import type {BackwardRecord, BenchRecord, TrainingRecord} from './records.js';
import {digits, markdownTable, times} from './table.js';

/** The tables of gradients and training. */
export function trainingTables(records: readonly BenchRecord[]): string[] {
  const backward = records.filter((record): record is BackwardRecord => record.kind === 'backward');
  const training = records.filter((record): record is TrainingRecord => record.kind === 'training');
  return [...(backward.length > 0 ? [backwardTable(backward)] : []), ...(training.length > 0 ? trainingTable(training) : [])];
}

/** Length, and heads × headDim; sequences × those where there are several. */
export const sizesOf = ({batch, n, heads, headDim}: BackwardRecord): string =>
  `${n}, ${batch === undefined ? '' : `${batch} × `}${heads} × ${headDim}`;

function backwardTable(rows: readonly BackwardRecord[]): string {
  return markdownTable(
    [
      'pattern',
      'n, heads × headDim',
      'system',
      'forward ms',
      'backward ms',
      'backward / forward',
      'both, faster than dense',
      'max error',
    ],
    rows.map((row) => [
      row.pattern,
      sizesOf(row),
      row.system,
      row.error ?? digits(row.forwardMs),
      digits(row.backwardMs),
      times(row.overForward),
      times(row.timesDense),
      row.maxError === undefined ? '–' : row.maxError.toExponential(1),
    ]),
  );
}

function trainingTable(rows: readonly TrainingRecord[]): string[] {
  const {layers, heads, width, pattern} = rows[0]!;
  return [
    `A transformer of ${layers} layers, ${heads} heads and ${width} features, pattern ${pattern}, trained with Adam to predict tokens; wall-clock time of a step, its loss read back:`,
    markdownTable(
      ['system', 'n', 'steps', 'ms a step', 'first loss', 'last loss', 'largest difference of the curves'],
      rows.map((row) => [
        row.system,
        String(row.n),
        String(row.steps),
        row.error ?? digits(row.stepMs),
        digits(row.firstLoss),
        digits(row.lastLoss),
        row.lossDifference === undefined ? '–' : `${(100 * row.lossDifference).toPrecision(2)} %`,
      ]),
    ),
  ];
}
