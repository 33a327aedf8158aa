import {documents, slidingWindow} from '../src/index.js';
import {mulberry32} from '../test/oracle.js';
import {chance, randomParents} from '../test/support/mask_draws.js';
import {drawMask, MASK_ZOO, type ZooMask} from '../test/support/mask_zoo.js';
import {PATTERNS, type BenchPattern} from './patterns.js';

/** A mask at any length, and whether rows of millions of pairs make it slow to draw. */
export interface CorpusMask {
  readonly name: string;
  readonly isLong: boolean;
  at(n: number): BenchPattern;
}

/** Masks that are drawn and compressed in seconds at any length: the others have tens of millions of pairs at 16,384 tokens. */
const FEW_PAIRS = [
  ...['nearest16', 'hub', 'powerLaw', 'randomTree', 'medusa', 'verticalSlash', 'swin', 'neighbourhood'],
  ...['logSparse', 'fixed', 'random03', 'documents'],
];

/** What the zoo of the specs has no need of. */
const MORE: readonly ZooMask[] = [
  {
    name: 'random03',
    says: '.3 % of all pairs, and the diagonal',
    draw: () => {
      const drawn = chance(0.003, 23);
      return (query, key) => query === key || drawn(query, key);
    },
  },
  {
    name: 'tree',
    says: 'the first half for a prefix, then a random recursive tree: each attends to the prefix and to its ancestors',
    draw: (n) => {
      const prefix = n >> 1;
      const parents = randomParents(n - prefix, 52);
      const isAncestor = (of: number, key: number): boolean => {
        for (let at = of; ; at = parents(at)) {
          if (at === key) return true;
          if (parents(at) === at) return false;
        }
      };
      return (query, key) =>
        key < prefix ? query >= prefix || key <= query : query >= prefix && isAncestor(query - prefix, key - prefix);
    },
  },
];

/** Lengths of 37 to 4,000 tokens, shorter ones more often, that fill n. */
function documentLengths(n: number): number[] {
  const random = mulberry32(61);
  const lengths: number[] = [];
  for (let left = n; left > 0; left -= lengths.at(-1)!) lengths.push(Math.min(left, Math.round(37 * (4000 / 37) ** random())));
  return lengths;
}

const DOCUMENTS: CorpusMask = {
  name: 'documents',
  isLong: true,
  at: (n) => {
    const lengths = documentLengths(n);
    const of = Int32Array.from(lengths.flatMap((length, index) => new Array<number>(length).fill(index)));
    return {
      name: 'documents',
      says: 'packed documents of 37 to 4,000 tokens',
      pattern: documents(lengths),
      attends: (query, key) => of[query] === of[key],
    };
  },
};

/** Named patterns, masks of the zoo and some more: what the choices of the planner and its predictions are measured on. */
export const CORPUS: readonly CorpusMask[] = [
  ...PATTERNS.map((pattern) => ({name: pattern.name, isLong: true, at: () => pattern})),
  ...[...MASK_ZOO, ...MORE].map((mask) => ({
    name: mask.name,
    isLong: FEW_PAIRS.includes(mask.name),
    at: (n: number) => drawMask(mask, n),
  })),
  DOCUMENTS,
];

/** Masks that must not be slower than a plain window of as many pairs by much. */
const LIKE_WINDOWS = ['blocks64', 'bigBird', 'documents'];

/** The window to compare a mask of so many pairs with, or null. */
export function windowLike(name: string, n: number, pairs: number): BenchPattern | null {
  if (!LIKE_WINDOWS.includes(name)) return null;
  // Two of its corners are missing.
  const width = n - Math.sqrt(n * n - pairs);
  const reach = Math.round(width);
  return {
    name: `window like ${name}`,
    says: `|i − j| ≤ ${reach}`,
    pattern: slidingWindow({left: reach, right: reach}),
    attends: (query, key) => Math.abs(query - key) <= reach,
  };
}
