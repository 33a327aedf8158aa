import type {BenchRecord, ProductsRecord, ScoresRecord} from './records.js';
import {digits, markdownTable, times} from './table.js';

/** The table of products of blocks, beside tf.matMul of the same tensors. */
export function productTables(records: readonly BenchRecord[]): string[] {
  const rows = records.filter((record): record is ProductsRecord => record.kind === 'products');
  if (rows.length === 0) return [];
  const table = markdownTable(
    ['case', 'm × k × n', 'blocks', 'by', 'ms', 'tf.matMul, ms', 'faster', 'TFLOPS', 'predicted, ms', 'planning, ms'],
    rows
      .filter(({system}) => system === 'tfjs-splat')
      .map((ours) => {
        const {name, pass, m, k, n, batch, block, choice, ms, usefulGflop, predictedMs, planningMs} = ours;
        const dense = rows.find((row) => row.system === 'tf.matMul' && row.name === name && row.pass === pass);
        return [
          pass === 'forward' ? name : `${name}, ${pass}`,
          `${batch === 1 ? '' : `${batch} × `}${m} × ${k} × ${n}`,
          block,
          choice,
          digits(ms),
          digits(dense?.ms),
          times(dense && dense.ms / ms),
          digits((usefulGflop * (pass === 'forward' ? 1 : 3)) / ms),
          digits(predictedMs),
          digits(planningMs),
        ];
      }),
  );
  return ['Products of matrices of which blocks are left out (`blockSparseMatMul`):', table];
}

/** The table of packed scores: a row for each op of ours, beside the same over dense scores by TensorFlow.js ops. */
export function scoreTables(records: readonly BenchRecord[]): string[] {
  const rows = records.filter((record): record is ScoresRecord => record.kind === 'scores');
  if (rows.length === 0) return [];
  const table = markdownTable(
    ['pattern', 'heads × n × features', 'pairs of a head', 'op', 'ms', 'dense, TensorFlow.js, ms', 'faster', 'sparseAttention, ms'],
    rows
      .filter(({system}) => system === 'tfjs-splat')
      .map(({name, heads, n, dim, nnz, op, ms}) => {
        const of = (system: string): number | undefined =>
          rows.find((row) => row.system === system && row.name === name && row.op === op)?.ms;
        const dense = of('tfjs');
        return [
          name,
          `${heads} × ${n} × ${dim}`,
          nnz.toLocaleString('en'),
          op,
          digits(ms),
          digits(dense),
          times(dense === undefined ? undefined : dense / ms),
          digits(of('sparseAttention')),
        ];
      }),
  );
  return ['Packed scores (`sddmm`, `sparseSoftmax`, `attentionWeights`, `spmm`; *all* is the three one after the other):', table];
}
