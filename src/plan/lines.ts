import {oneLine, type Acsr, type Lines} from '../acsr/index.js';
import type {Kinds} from './plan.js';
import type {Problem} from './problem.js';

export const asLines = (rows: Acsr | Lines): Lines => ('of' in rows ? rows : oneLine(rows));

/** What is on the grid of a dispatch, and what items name. */
export const lineKinds = ({heads, batch}: Lines): Pick<Kinds, 'heads' | 'batch'> => ({
  heads: heads === 1 ? 'grid' : 'item',
  batch: batch === 1 ? 'grid' : 'item',
});

/** For each of `rows`, the lines that have them as items name them: batch · heads + head, or the one of these that is not on the grid. */
export function lineWords({rows, heads, batch, of}: Lines, problem: Problem): readonly (readonly number[])[] {
  const words = rows.map((): number[] => []);
  for (let b = 0; b < batch; b++)
    for (let h = 0; h < heads; h++) words[of[b * heads + h]!]!.push(heads === 1 ? b : b * problem.heads + h);
  return words;
}

/** Lines on the grid of a dispatch. */
export const gridLines = ({heads, batch}: Pick<Kinds, 'heads' | 'batch'>, problem: Problem): number =>
  (heads === 'grid' ? problem.heads : 1) * (batch === 'grid' ? problem.batch : 1);

/** The rows with most pairs in all: tiles are shaped for them. */
export function largestOf({rows, of}: Lines): Acsr {
  const pairs = rows.map(({nnz}) => nnz);
  const total = rows.map(() => 0);
  for (const index of of) total[index]! += pairs[index]!;
  return rows[total.indexOf(Math.max(...total))]!;
}
