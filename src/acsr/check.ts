import {ceilDiv} from '../support/index.js';
import {MAX_RUNS, type Acsr} from './acsr.js';
import {countBits} from './bits.js';
import {intersect} from './progression.js';
import {RunList} from './runs.js';

/** Throws an `Error` that names the first law of the record that `acsr` breaks, and where. It is for tests and debugging. */
export function checkAcsr(acsr: Acsr): void {
  checkArrays(acsr);
  const row = new RunList();
  let keys = countBits(acsr.bits);
  for (let query = 0; query < acsr.queryLength; query++) {
    row.clear();
    for (let r = acsr.rowRuns[query]!; r < acsr.rowRuns[query + 1]!; r++) row.add(acsr.start[r]!, acsr.stride[r]!, acsr.count[r]!);
    checkRow(row, query, acsr.keyLength);
    for (let i = 0; i < row.length; i++) keys += row.count[i]!;
  }
  checkIrregularRows(acsr);
  checkRecurrence(acsr);
  checkRecurringBits(acsr);
  obey(keys === acsr.nnz, 'nnz is the number of pairs', `there are ${keys}, nnz says ${acsr.nnz}`);
}

function checkArrays({queryLength, rowRuns, start, stride, count}: Acsr): void {
  obey(
    rowRuns.length === queryLength + 1,
    'rowRuns has queryLength + 1 entries',
    `it has ${rowRuns.length} for ${queryLength} queries`,
  );
  obey(rowRuns[0] === 0, 'rowRuns begins with 0', `it begins with ${rowRuns[0]}`);
  for (let query = 0; query < queryLength; query++) {
    obey(rowRuns[query]! <= rowRuns[query + 1]!, 'rowRuns never descends', `it does at query ${query}`);
  }
  const runs = rowRuns[queryLength]!;
  const sizes = [start.length, stride.length, count.length];
  obey(
    sizes.every((size) => size === runs),
    'rowRuns ends with the number of runs',
    `it ends with ${runs} for ${sizes} runs`,
  );
}

function checkRecurringBits({queryLength, irregularRows, bits, recurringBits}: Acsr): void {
  if (recurringBits === undefined) return;
  const {words, period} = recurringBits;
  obey(
    2 * period <= queryLength && irregularRows.length === queryLength,
    'bits recur where all rows are irregular',
    `${irregularRows.length} of ${queryLength} are, the period is ${period}`,
  );
  const other = bits.findIndex((word, at) => word !== words[at % words.length]);
  obey(other < 0, 'bits recur', `word ${other} is another`);
}

function checkRecurrence({queryLength, keyLength, rowRuns, start, stride, count, irregularRows, recurrence}: Acsr): void {
  if (recurrence === undefined) return;
  const {period, clip, most} = recurrence;
  obey(
    Number.isInteger(period) && period >= 1 && 2 * period <= queryLength && irregularRows.length === 0,
    'a period recurs and holds runs alone',
    `it is ${period} for ${queryLength} queries, ${irregularRows.length} of them irregular`,
  );
  const ends = recurrence.rowRuns;
  obey(
    ends.length === period + 1 && ends[period] === most.length,
    'a period has its runs',
    `${ends.length} rows end at ${ends[period]}`,
  );
  const [once, row, interval] = [new RunList(), new RunList(), new RunList()];
  const found = new Int32Array(most.length);
  for (let query = 0; query < queryLength; query++) {
    row.clear();
    interval.setKeys(clip?.low[query] ?? 0, clip?.high[query] ?? keyLength - 1);
    for (let run = ends[query % period]!; interval.length > 0 && run < ends[(query % period) + 1]!; run++) {
      once.clear().add(recurrence.start[run]!, recurrence.stride[run]!, recurrence.count[run]!);
      found[run] = Math.max(found[run]!, intersect(once, 0, interval, 0, row));
    }
    row.sort();
    const begin = rowRuns[query]!;
    obey(rowRuns[query + 1]! - begin === row.length, 'rows recur', `query ${query} has another number of runs`);
    for (let i = 0; i < row.length; i++) {
      const same = row.start[i] === start[begin + i] && row.stride[i] === stride[begin + i] && row.count[i] === count[begin + i];
      obey(same, 'rows recur', `run ${i} of query ${query} is another`);
    }
  }
  obey(
    most.every((keys, run) => keys === found[run] && keys > 0),
    'a recurring run knows its most keys',
    `they are ${found}, not ${most}`,
  );
}

const common = new RunList();

function checkRow(row: RunList, query: number, keyLength: number): void {
  const {start, stride, count} = row;
  obey(!row.overflow, `a row has at most ${MAX_RUNS} runs`, `query ${query} has more`);
  for (let i = 0; i < row.length; i++) {
    const where = `run ${i} of query ${query}`;
    obey(count[i]! >= 1, 'counts are at least 1', `${where} has ${count[i]}`);
    obey(stride[i]! >= 1, 'strides are at least 1', `${where} has ${stride[i]}`);
    obey(
      0 <= start[i]! && row.last(i) < keyLength,
      'keys are in range',
      `${where} holds ${start[i]} … ${row.last(i)} of ${keyLength} keys`,
    );
    for (let j = 0; j < i; j++) {
      if (intersect(row, j, row, i, common.clear()) > 0)
        obey(false, 'runs of a row are disjoint', `runs ${j} and ${i} of query ${query} share key ${common.start[0]}`);
    }
    if (i > 0) obey(start[i - 1]! < start[i]!, 'runs of a row ascend by start', `${where} does not`);
  }
}

function checkIrregularRows({queryLength, keyLength, rowRuns, irregularRows, bits}: Acsr): void {
  const wordsPerRow = ceilDiv(keyLength, 32);
  obey(
    bits.length === irregularRows.length * wordsPerRow,
    'irregular rows own ⌈keyLength/32⌉ words each',
    `${irregularRows.length} rows own ${bits.length}`,
  );
  const lastWord = keyLength % 32 === 0 ? 0 : -1 << (keyLength % 32);
  irregularRows.forEach((query, i) => {
    obey(0 <= query && query < queryLength, 'irregular rows are queries', `${query} is none`);
    obey(i === 0 || irregularRows[i - 1]! < query, 'irregular rows ascend', `${query} comes after ${irregularRows[i - 1]}`);
    obey(rowRuns[query] === rowRuns[query + 1], 'irregular rows own no runs', `query ${query} does`);
    obey((bits[(i + 1) * wordsPerRow - 1]! & lastWord) === 0, 'bits past keyLength are 0', `those of query ${query} are not`);
  });
}

function obey(holds: boolean, law: string, but: string): void {
  if (!holds) throw new Error(`checkAcsr: ${law}, but ${but}`);
}
