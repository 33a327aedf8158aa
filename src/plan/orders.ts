import {stepOf, type Sliced} from '../support/index.js';
import {hashRows, keysIn, keysOfRows, reordered, type BitRows} from './bit_rows.js';
import {cuthillMcKee} from './cuthill_mckee.js';
import {greedyOrder, MOST_STEPS} from './greedy.js';

/** Rows in another order; null where that would take too long to find, as the name then says. */
interface Order {
  readonly name: string;
  readonly rows: BitRows | null;
}

/**
 * Orders of rows to try, of two that are as good the first counts: rows may be computed in any, and where neighbours share keys, tiles have fewer.
 * Each is the rows in that order; the caller takes the one that is predicted to be fastest. `pairs`: of the rows. Nothing is yielded where a slice of the work may end.
 */
export function* orders(rows: BitRows, pairs: number): Iterable<Order | undefined> {
  if (rows.rows.length < 16) return;
  const key = yield* hashRows(rows);
  yield;
  const classes = yield* classesOf(rows);
  yield;
  const isOrdered = classes.every((members, index) => index === 0 || classes[index - 1]!.at(-1)! < members[0]!);
  if (!isOrdered) yield {name: 'rows of the same keys together', rows: yield* reordered(rows, classes.flat())};
  yield;
  const heavy = yield* heavyFirst(rows);
  if (heavy !== null) yield {name: 'rows of many keys first', rows: yield* reordered(rows, heavy)};
  yield;
  const width = gridWidth(rows);
  if (width !== null)
    yield {name: `tiles of a grid ${width} wide`, rows: yield* reordered(rows, gridOrder(rows.rows.length, width))};
  yield;
  const greedy = yield* greedyOrder(rows, classes, pairs, key);
  const name = 'rows grouped by shared keys';
  if (typeof greedy === 'number')
    yield {name: `${name}: not tried, it takes ${Math.round(greedy)} steps or more, and ${MOST_STEPS} are allowed`, rows: null};
  else if (greedy !== null) yield {name, rows: yield* reordered(rows, greedy)};
  yield;
  const band = yield* cuthillMcKee(rows, key);
  if (band !== null) yield {name: 'rows in the order of a band', rows: yield* reordered(rows, band)};
}

/** Rows with the same keys, by the first of them. */
function* classesOf({rows, words, wordsPerRow}: BitRows): Sliced<number[][]> {
  const classes: number[][] = [];
  const known = new Map<number, number[][]>();
  const same = (a: number, b: number): boolean => {
    for (let w = 0; w < wordsPerRow; w++) if (words[a * wordsPerRow + w] !== words[b * wordsPerRow + w]) return false;
    return true;
  };
  const step = stepOf(2 * wordsPerRow);
  for (let row = 0; row < rows.length; row++) {
    if (row % step === 0) yield;
    let hash = 0;
    for (let w = 0, at = row * wordsPerRow; w < wordsPerRow; w++, at++)
      if (words[at] !== 0) hash = Math.imul(hash ^ words[at]! ^ w, 0x9e3779b1) + (hash >>> 15);
    const candidates = known.get(hash);
    const found = candidates?.find(([first]) => same(first!, row));
    if (found !== undefined) found.push(row);
    else {
      const members = [row];
      classes.push(members);
      if (candidates === undefined) known.set(hash, [members]);
      else candidates.push(members);
    }
  }
  return classes;
}

/** A row of more keys than so many times the median is heavy. */
const HEAVY = 4;

/** Heavy rows first, so that they are not in one tile with others, whose keys are then theirs. Null where there are none, or where they lie together. */
function* heavyFirst(bitRows: BitRows): Sliced<number[] | null> {
  const counts = [...(yield* keysOfRows(bitRows))];
  const median = [...counts].sort((a, b) => a - b)[counts.length >> 1]!;
  const isHeavy = (row: number): boolean => counts[row]! > HEAVY * median;
  const all = counts.map((_, row) => row);
  const [heavy, light] = [all.filter(isHeavy), all.filter((row) => !isHeavy(row))];
  return heavy.length === 0 || heavy.at(-1)! - heavy[0]! === heavy.length - 1 ? null : [...heavy, ...light];
}

/** Rows of a tile of a grid, on each side. */
const GRID_TILE = 8;

/**
 * The width of a grid of which rows and keys are the points, line by line, where the row in the middle looks like one: runs of keys that begin as
 * far from each other. Null for none; a wrong guess costs the time to look at it.
 */
function gridWidth({rows, words, wordsPerRow}: BitRows): number | null {
  const middle = rows.length >> 1;
  const keys = keysIn(words.subarray(middle * wordsPerRow, (middle + 1) * wordsPerRow));
  const starts = keys.filter((key, index) => index === 0 || key !== keys[index - 1]! + 1);
  const times = new Map<number, number>();
  for (let index = 1; index < starts.length; index++) {
    const distance = starts[index]! - starts[index - 1]!;
    times.set(distance, (times.get(distance) ?? 0) + 1);
  }
  const [width = 0, count = 0] = [...times].reduce((best, each) => (each[1] > (best[1] ?? 0) ? each : best), [] as number[]);
  return count >= 2 && 2 * count >= starts.length - 1 && width >= GRID_TILE && width * GRID_TILE <= rows.length ? width : null;
}

/** Tile after tile, in each line by line. */
function gridOrder(rows: number, width: number): number[] {
  const order: number[] = [];
  const height = Math.ceil(rows / width);
  for (let y0 = 0; y0 < height; y0 += GRID_TILE)
    for (let x0 = 0; x0 < width; x0 += GRID_TILE)
      for (let y = y0; y < Math.min(height, y0 + GRID_TILE); y++)
        for (let x = x0; x < Math.min(width, x0 + GRID_TILE); x++) if (y * width + x < rows) order.push(y * width + x);
  return order;
}
