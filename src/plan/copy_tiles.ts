import type {IntList} from './schedule.js';

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
    const yBegin = data[8 * span + 2]!;
    const yEnd = data[8 * span + 3]!;
    const tiles = Math.ceil((yEnd - yBegin) / tileKeys);
    const first = Math.max(from - at, 0);
    const last = Math.min(to - at, tiles);
    if (first < last) {
      const copy = out.grow(8);
      out.data.set(data.subarray(8 * span, 8 * span + 8), copy);
      out.data[copy + 2] = yBegin + first * tileKeys;
      out.data[copy + 3] = Math.min(yEnd, yBegin + last * tileKeys);
    }
    at += tiles;
  }
}
