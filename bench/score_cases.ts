import {causal, fromMask, slidingWindow, type Pattern} from '../src/index.js';
import {mulberry32} from '../test/oracle.js';

/** A row of bench:scores: heads of `dim` features at length `n`. */
export interface ScoreCase {
  readonly name: string;
  readonly n: number;
  readonly heads: number;
  readonly dim: number;
  /** Columns of each row; null where a named pattern says them. */
  readonly pattern: (n: number) => Pattern;
  /** One head of random numbers times a dense matrix, and nothing else. */
  readonly productOnly?: boolean;
}

/** A mask by the columns that `row` adds. */
function listed(n: number, columnsOf: (row: number, add: (column: number) => void) => void): Pattern {
  const mask = new Uint8Array(n * n);
  for (let row = 0; row < n; row++) columnsOf(row, (column) => (mask[row * n + column] = 1));
  return fromMask(mask, {queryLength: n, keyLength: n});
}

/** So many random columns a row, some of them the same. */
const random =
  (count: (row: number, n: number) => number) =>
  (n: number): Pattern => {
    const draw = mulberry32(11);
    return listed(n, (row, add) => {
      for (let i = Math.min(n, count(row, n)); i > 0; i--) add(Math.floor(draw() * n));
    });
  };

/** The 16 nearest of random points of a square, in random order or row by row of a grid of cells. */
const nearest =
  (inOrder: boolean) =>
  (n: number): Pattern => {
    const draw = mulberry32(12);
    const side = Math.max(1, Math.floor(Math.sqrt(n / 8)));
    const cellOf = ([x, y]: readonly [number, number]): number => Math.floor(y * side) * side + Math.floor(x * side);
    const points = Array.from({length: n}, () => [draw(), draw()] as const);
    if (inOrder) points.sort((a, b) => cellOf(a) - cellOf(b));
    const cells: number[][] = Array.from({length: side * side}, () => []);
    points.forEach((point, index) => cells[cellOf(point)]!.push(index));
    return listed(n, (row, add) => {
      const [x, y] = points[row]!;
      const near: (readonly [number, number])[] = [];
      for (let dy = -2; dy <= 2; dy++)
        for (let dx = -2; dx <= 2; dx++) {
          const [cx, cy] = [Math.floor(x * side) + dx, Math.floor(y * side) + dy];
          if (cx < 0 || cy < 0 || cx >= side || cy >= side) continue;
          for (const other of cells[cy * side + cx]!)
            near.push([(points[other]![0] - x) ** 2 + (points[other]![1] - y) ** 2, other]);
        }
      near.sort((a, b) => a[0] - b[0]);
      for (const [, other] of near.slice(0, 16)) add(other);
    });
  };

const attention = {n: 4096, heads: 8, dim: 64};
const graph = {n: 16384, heads: 8, dim: 64};
const matrix = {n: 16384, heads: 1, dim: 64, productOnly: true};

export const CASES: readonly ScoreCase[] = [
  {name: 'window ±256', ...attention, pattern: (n) => slidingWindow({left: Math.min(256, n >> 3), right: Math.min(256, n >> 3)})},
  {name: 'causal', ...attention, pattern: () => causal()},
  {name: 'kNN-16, random order', ...graph, pattern: nearest(false)},
  {name: 'kNN-16, neighbours together', ...graph, pattern: nearest(true)},
  {name: 'power law: 8 rows of 8000, others of 16', ...matrix, pattern: random((row) => (row % 2048 === 5 ? 8000 : 16))},
  {name: 'Zipf rows of 8000 / rank', ...matrix, pattern: random((row) => Math.ceil(8000 / (row + 1)))},
  {name: 'unstructured .1 %', ...matrix, pattern: random((_, n) => n * 0.001)},
  {name: 'unstructured 1 %', ...matrix, pattern: random((_, n) => n * 0.01)},
  {name: 'unstructured 10 %', ...matrix, pattern: random((_, n) => n * 0.105)},
  {name: 'unstructured 10 % of 4096', ...matrix, n: 4096, pattern: random((_, n) => n * 0.105)},
];
