import {SPAN, type IntList} from './format.js';

const {words, at: word} = SPAN;

/** Appends what the spans `begin ≤ span < end` of single rows have of their trips [from, to), each counted from its own first key. */
export function copyOwn(
  spans: IntList,
  begin: number,
  end: number,
  tripKeys: number,
  from: number,
  to: number,
  out: IntList,
): void {
  const {data} = spans;
  const copy = out.grow(words * (end - begin));
  out.data.set(data.subarray(words * begin, words * end), copy);
  for (let span = begin; span < end; span++) {
    const at = words * span;
    const last = data[at + word.end]!;
    const to0 = copy + at - words * begin;
    out.data[to0 + word.begin] = Math.min(last, data[at + word.begin]! + from * tripKeys);
    out.data[to0 + word.end] = Math.min(last, data[at + word.begin]! + to * tripKeys);
  }
}

/** Appends to `out` what the spans `begin ≤ span < end` have of their key tiles [from, to), which are counted through all of them. */
export function copyTiles(
  spans: IntList,
  begin: number,
  end: number,
  tileKeys: number,
  from: number,
  to: number,
  out: IntList,
): void {
  const {data} = spans;
  let at = 0;
  for (let span = begin; span < end && at < to; span++) {
    const yBegin = data[words * span + word.begin]!;
    const yEnd = data[words * span + word.end]!;
    const tiles = Math.ceil((yEnd - yBegin) / tileKeys);
    const first = Math.max(from - at, 0);
    const last = Math.min(to - at, tiles);
    if (first < last) {
      const copy = out.grow(words);
      // One by one: eight words are copied before `set` has begun.
      for (let i = 0; i < words; i++) out.data[copy + i] = data[words * span + i]!;
      out.data[copy + word.begin] = yBegin + first * tileKeys;
      out.data[copy + word.end] = Math.min(yEnd, yBegin + last * tileKeys);
    }
    at += tiles;
  }
}
