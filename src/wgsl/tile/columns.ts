import {ceilDiv} from '../../support/index.js';

/** Columns `first ≤ c < first + count` of a row. */
export interface Columns {
  readonly first: number;
  readonly count: number;
}

/** [0, total) in `parts` nearly equal ranges, the larger first. */
export function split(total: number, parts: number): Columns[] {
  const ranges: Columns[] = [];
  for (let part = 0, first = 0; part < parts; part++) {
    const count = ceilDiv(total - first, parts - part);
    ranges.push({first, count});
    first += count;
  }
  return ranges;
}
