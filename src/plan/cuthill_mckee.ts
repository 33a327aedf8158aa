import {Lru, stepOf, type Sliced} from '../support/index.js';
import {keysIn, keysOfRows, type BitRows} from './bit_rows.js';

/** A band has many levels: pairs without one reach all rows in two or three. */
const LEAST_LEVELS = 8;

/**
 * Rows breadth first, each near those that attend to it, those of few keys first (Cuthill and McKee, 1969): where rows and keys are the same tokens, which
 * lie on a line or in a band if put right, that puts them right, in a time that grows with the pairs alone. Null where there is no such band.
 */
export function* cuthillMcKee(rows: BitRows, key: string): Sliced<readonly number[] | null> {
  const known = searched.get(key);
  return known !== undefined ? known : searched.set(key, yield* search(rows));
}

/** For layers of other features, by the hash of the rows. */
const searched = new Lru<string, readonly number[] | null>({entries: 64});

function* search(bitRows: BitRows): Sliced<readonly number[] | null> {
  const {rows, words, wordsPerRow} = bitRows;
  const indexOf = new Int32Array(32 * wordsPerRow).fill(-1);
  rows.forEach((row, index) => {
    if (row < indexOf.length) indexOf[row] = index;
  });
  const rowOf = (index: number): Uint32Array => words.subarray(index * wordsPerRow, (index + 1) * wordsPerRow);
  const degrees = yield* keysOfRows(bitRows);
  const done = new Uint8Array(rows.length);
  /** The last sweep that came to a row. */
  const seen = new Int32Array(rows.length);
  let sweep = 0;
  const visited = Math.min(256, stepOf(8 * wordsPerRow));

  /** Rows from `start` on, level by level. */
  function* visit(start: number): Sliced<{readonly found: number[]; readonly levels: number}> {
    const found = [start];
    seen[start] = ++sweep;
    let levels = 0;
    for (let at = 0; at < found.length; levels++) {
      for (const end = found.length; at < end; at++) {
        if (at % visited === 0) yield;
        const fresh: number[] = [];
        for (const key of keysIn(rowOf(found[at]!))) {
          const index = indexOf[key]!;
          if (index < 0 || done[index] === 1 || seen[index] === sweep) continue;
          seen[index] = sweep;
          fresh.push(index);
        }
        fresh.sort((a, b) => degrees[a]! - degrees[b]!);
        found.push(...fresh);
      }
      if (levels + 1 < LEAST_LEVELS && 2 * found.length > rows.length) return {found, levels: 0};
    }
    return {found, levels};
  }

  const order: number[] = [];
  let most = 0;
  for (const start of Int32Array.from(rows.keys()).sort((a, b) => degrees[a]! - degrees[b]!)) {
    // Where pairs have a direction, the other end may not come back to the start: then what the start came to counts, or again among what is left.
    while (done[start] === 0) {
      // From the row that is farthest from any: the ends of a band are its narrowest levels.
      const there = yield* visit(start);
      const back = yield* visit(there.found.at(-1)!);
      const {found, levels} = back.found.length < there.found.length ? there : back;
      if (2 * found.length > rows.length && levels < LEAST_LEVELS) return null;
      most = Math.max(most, levels);
      for (const index of found) done[index] = 1;
      for (const index of found) order.push(index);
    }
  }
  return most < LEAST_LEVELS ? null : order;
}
