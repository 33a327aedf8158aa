// What the masks of mask_zoo.ts are drawn from.
import {mulberry32} from '../oracle.js';

export interface Pairs {
  (query: number, key: number): boolean;
  /** The keys of a row, where they are fewer than the questions: 16,384 tokens are 268 million of those. */
  readonly keys?: (query: number) => Iterable<number>;
}

/** 32 bits for a pair, without order: a mask can be asked about any of them. */
export function hashed(a: number, b: number, seed: number): number {
  let x = (Math.imul(a, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca6b) ^ Math.imul(seed, 0xc2b2ae35)) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

export const chance =
  (share: number, seed: number): Pairs =>
  (query, key) =>
    hashed(query, key, seed) < share * 2 ** 32;

/** A grid of n tokens, row by row: as wide as a power of two lets it be square. Its last row may be short. */
export function gridOf(n: number): {readonly width: number; readonly height: number} {
  const width = 2 ** Math.floor(Math.log2(Math.sqrt(n)));
  return {width, height: Math.ceil(n / width)};
}

/** The pairs of all rows as bits, from the keys of each. */
export function bitsOf(n: number, keys: (query: number) => Iterable<number>): Pairs {
  const words = Math.ceil(n / 32);
  const bits = new Int32Array(n * words);
  for (let query = 0; query < n; query++) for (const key of keys(query)) bits[query * words + (key >> 5)]! |= 1 << (key & 31);
  const pairs = (query: number, key: number): boolean => ((bits[query * words + (key >> 5)]! >> (key & 31)) & 1) === 1;
  return Object.assign(pairs, {keys});
}

/** From the neighbours of each token; every token is its own. */
export const neighboursOf = (n: number, lists: readonly (readonly number[])[]): Pairs =>
  bitsOf(n, (query) => [query, ...lists[query]!]);

/** The `count` nearest of n random points of the unit square, itself among them, in the order in which they were drawn. */
export function nearestOf(n: number, count: number, seed: number): number[][] {
  const random = mulberry32(seed);
  const [x, y] = [Float64Array.from({length: n}, random), Float64Array.from({length: n}, random)];
  // Cells that hold about `count` points each.
  const cells = Math.max(1, Math.floor(Math.sqrt(n / count)));
  const cellOf = (coordinate: number): number => Math.floor(coordinate * cells);
  const inCell = Array.from({length: cells * cells}, (): number[] => []);
  for (let i = 0; i < n; i++) inCell[cellOf(y[i]!) * cells + cellOf(x[i]!)]!.push(i);
  return Array.from({length: n}, (_, i) => {
    const [column, row] = [cellOf(x[i]!), cellOf(y[i]!)];
    const distance = (j: number): number => (x[i]! - x[j]!) ** 2 + (y[i]! - y[j]!) ** 2;
    for (let reach = 1; ; reach++) {
      const found: number[] = [];
      for (let r = Math.max(0, row - reach); r <= Math.min(cells - 1, row + reach); r++)
        for (let c = Math.max(0, column - reach); c <= Math.min(cells - 1, column + reach); c++)
          found.push(...inCell[r * cells + c]!);
      found.sort((a, b) => distance(a) - distance(b));
      const last = found[Math.min(count, n) - 1];
      // What lies outside of these cells is farther than `reach` of them.
      if (reach >= cells || (last !== undefined && distance(last) <= (reach / cells) ** 2)) return found.slice(0, count);
    }
  });
}

/** Both ends of the edges of a graph whose nodes, one by one, join `edges` ends of edges that are there: few nodes have most of them. */
export function graphOf(n: number, edges: number, seed: number): number[][] {
  const random = mulberry32(seed);
  const ends = [0];
  const lists: number[][] = Array.from({length: n}, () => []);
  for (let node = 1; node < n; node++) {
    for (let edge = 0; edge < edges; edge++) {
      const other = ends[Math.floor(random() * ends.length)]!;
      if (other === node) continue;
      lists[node]!.push(other);
      lists[other]!.push(node);
      ends.push(node, other);
    }
  }
  return lists;
}

/** Every token hangs on any of those before it. */
export function randomParents(n: number, seed: number): (token: number) => number {
  const random = mulberry32(seed);
  const parents = Int32Array.from({length: n}, (_, token) => Math.floor(random() * token));
  return (token) => parents[token]!;
}

/** Trees side by side, level by level, each node of a level with as many children as `branches` says. */
export function medusaParents(branches: readonly number[]): (token: number) => number {
  const parents = [0];
  let [begin, end] = [0, 1];
  for (const count of branches) {
    for (let parent = begin; parent < end; parent++) for (let child = 0; child < count; child++) parents.push(parent);
    [begin, end] = [end, parents.length];
  }
  return (token) => token - (token % parents.length) + parents[token % parents.length]!;
}
