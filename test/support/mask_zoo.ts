// Masks that no named pattern says, by formula and seed: what is irregular comes in kinds, and each kind is irregular in its own way.
import {fromMask, type Pattern} from '../../src/pattern/index.js';
import {mulberry32} from '../oracle.js';
import {shuffled} from './mask_cases.js';
import {
  bitsOf,
  chance,
  graphOf,
  gridOf,
  hashed,
  medusaParents,
  nearestOf,
  neighboursOf,
  randomParents,
  type Pairs,
} from './mask_draws.js';

export interface ZooMask {
  readonly name: string;
  readonly says: string;
  /** Draws the mask of n tokens: the same one every time, on every machine. */
  draw(n: number): Pairs;
}

/** One mask of one length, as a pattern and as the arithmetic that says the same. */
export interface DrawnMask {
  readonly name: string;
  readonly says: string;
  readonly pattern: Pattern;
  readonly attends: Pairs;
}

/** Parents of a tree, each before its children; a root is its own. A token attends to itself and its ancestors. */
const ancestors = (n: number, parents: (token: number) => number): Pairs =>
  bitsOf(n, function* (token) {
    for (let at = token; ; at = parents(at)) {
      yield at;
      if (parents(at) === at) return;
    }
  });

const swin =
  (shift: number) =>
  (n: number): Pairs => {
    const {width, height} = gridOf(n);
    // Rolled by `shift`: what comes in from the other side is no neighbour of what was there, and does not see it.
    const windows = (x: number, size: number): number => {
      const rolled = (x - shift + size) % size;
      return 2 * Math.floor(rolled / 8) + Number(x < shift);
    };
    const window = Int32Array.from(
      {length: n},
      (_, i) => windows(i % width, width) * 65536 + windows(Math.floor(i / width), 8 * Math.ceil(height / 8)),
    );
    return (query, key) => window[query] === window[key];
  };

const blocks = (size: number, share: number, seed: number, always: (query: number, key: number, last: number) => boolean) => {
  const drawn = chance(share, seed);
  return (n: number): Pairs => {
    const last = Math.ceil(n / size) - 1;
    return (query, key) => {
      const [row, column] = [Math.floor(query / size), Math.floor(key / size)];
      return always(row, column, last) || drawn(row, column);
    };
  };
};

export const MASK_ZOO: readonly ZooMask[] = [
  {
    name: 'verticalSlash',
    says: '30 columns, 20 diagonals and the 64 nearest keys, causal',
    draw: (n) => {
      const random = mulberry32(11);
      const [columns, diagonals] = [new Uint8Array(n), new Uint8Array(n).fill(1, 0, 64)];
      const few = Math.max(1, n >> 7);
      for (let i = 0; i < Math.min(30, few); i++) columns[Math.floor(random() * n)] = 1;
      for (let i = 0; i < Math.min(20, few); i++) diagonals[Math.floor(random() * n)] = 1;
      return (query, key) => key <= query && (columns[key] === 1 || diagonals[query - key] === 1);
    },
  },
  {name: 'random1', says: '1 % of all pairs, and the diagonal', draw: () => orSelf(chance(0.01, 21))},
  {name: 'random10', says: '10 % of all pairs, and the diagonal', draw: () => orSelf(chance(0.1, 22))},
  {name: 'nearest16', says: 'the 16 nearest of random points, in random order', draw: (n) => neighboursOf(n, nearestOf(n, 16, 31))},
  {
    name: 'hub',
    says: 'the 16 nearest of random points, and 8 rows of all keys (one of few)',
    draw: (n) => {
      const [nearest, all] = [nearestOf(n, 16, 32), Array.from({length: n}, (_, key) => key)];
      const hubs = Array.from({length: n < 1024 ? 1 : 8}, (_, i) => Math.floor(((0.6180339887 * (i + 1)) % 1) * n));
      return neighboursOf(
        n,
        // One of them is a row that the benchmark compares with float64.
        nearest.map((keys, query) => (hubs.includes(query) ? all : keys)),
      );
    },
  },
  {
    name: 'shuffledWindow',
    says: 'a window of 32 each side, rows and keys in one random order',
    draw: (n) => {
      const place = shuffled(n, mulberry32(33));
      return (query, key) => Math.abs(place[query]! - place[key]!) <= 32;
    },
  },
  {
    name: 'powerLaw',
    says: 'a graph that grew by preference for nodes of many edges, 8 edges a node',
    draw: (n) => neighboursOf(n, graphOf(n, 8, 41)),
  },
  {name: 'randomTree', says: 'ancestors in a random recursive tree', draw: (n) => ancestors(n, randomParents(n, 51))},
  {
    name: 'medusa',
    says: 'ancestors in trees of 8·4·4·2·2 drafts, 937 tokens each',
    draw: (n) => ancestors(n, medusaParents([8, 4, 4, 2, 2])),
  },
  {name: 'swin', says: 'windows of 8 × 8 on a grid, row by row', draw: swin(0)},
  {name: 'shiftedSwin', says: 'the same, shifted by 4', draw: swin(4)},
  {
    name: 'neighbourhood',
    says: '13 × 13 neighbours on a grid (5 × 5 on small ones), moved inside at its border',
    draw: (n) => {
      const {width, height} = gridOf(n);
      const reach = width < 32 ? 2 : 6;
      const near = (query: number, key: number, size: number): boolean => {
        const centre = Math.min(Math.max(query, reach), size - 1 - reach);
        return Math.abs(key - centre) <= reach;
      };
      return (query, key) =>
        near(query % width, key % width, width) && near(Math.floor(query / width), Math.floor(key / width), height);
    },
  },
  {
    name: 'blocks16',
    says: '10 % of blocks of 16 × 16, and the diagonal ones',
    draw: blocks(16, 0.1, 61, (row, column) => row === column),
  },
  {
    name: 'blocks64',
    says: '10 % of blocks of 64 × 64, and the diagonal ones',
    draw: blocks(64, 0.1, 63, (row, column) => row === column),
  },
  {
    name: 'bigBird',
    says: '5 % of blocks of 64 × 64, the first, the last and the nearest ones',
    draw: blocks(
      64,
      0.05,
      62,
      (row, column, last) => Math.abs(row - column) <= 1 || [0, last].includes(row) || [0, last].includes(column),
    ),
  },
  {
    name: 'buckets',
    says: 'keys of the own bucket of 32 (8 of few tokens), drawn by a hash',
    draw: (n) => {
      const bucket = Uint8Array.from({length: n}, (_, i) => hashed(i, 0, 71) % (n < 1024 ? 8 : 32));
      return (query, key) => bucket[query] === bucket[key];
    },
  },
  {
    name: 'logSparse',
    says: 'the own key and those 1, 2, 4, 8 … before it',
    draw: () => (query, key) => key <= query && ((query - key) & (query - key - 1)) === 0,
  },
  {
    name: 'fixed',
    says: 'the own block of 128 and the last 8 of every block, causal',
    draw: () => (query, key) => key <= query && (query >> 7 === key >> 7 || key % 128 >= 120),
  },
];

const orSelf =
  (pairs: Pairs): Pairs =>
  (query, key) =>
    query === key || pairs(query, key);

export function drawMask({name, says, draw}: ZooMask, n: number): DrawnMask {
  const attends = draw(n);
  return {name, says, attends, pattern: maskOf({queryLength: n, keyLength: n}, attends)};
}

/** The same pairs as bits: nothing of their order is said. */
export function maskOf(
  {queryLength, keyLength}: {readonly queryLength: number; readonly keyLength: number},
  attends: Pairs,
): Pattern {
  const mask = new Uint8Array(queryLength * keyLength);
  for (let query = 0; query < queryLength; query++) {
    const row = query * keyLength;
    if (attends.keys !== undefined) for (const key of attends.keys(query)) mask[row + key] = 1;
    else for (let key = 0; key < keyLength; key++) if (attends(query, key)) mask[row + key] = 1;
  }
  return fromMask(mask, {queryLength, keyLength});
}
