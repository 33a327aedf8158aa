import {ceilDiv} from '../support/index.js';
import {holds, transposedBits, type BlockMask} from './block_mask.js';
import {BlockLists} from './lists.js';
import {batchOf, blocksOf, maskIndex, type ProductProblem} from './problem.js';
import {boundSides, meanOfLists, type ProductTile} from './tiles.js';

/**
 * Words of a record: where in the output its tile begins, where its list lies, the first word of that, so that nobody waits for it, the steps
 * that it takes, its product, 1 + its slot or 0. Where lists are bits, those of A lie at `list`, those of B at `word`.
 */
export const PRODUCT_ITEM = {words: 7, row: 0, column: 1, list: 2, word: 3, steps: 4, product: 5, slot: 6} as const;
/** Words of a record of tiles that were computed in parts: the first slot, how many. */
export const PRODUCT_MERGE = {words: 5, row: 0, column: 1, slot: 2, parts: 3, product: 4} as const;

/** Tiles of the output with their lists, before they are ordered and cut. Arrays of equal length. */
export interface ProductDraft {
  readonly lists: BlockLists;
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  readonly list: Int32Array;
  readonly product: Int32Array;
  /** Bits along the sum of the blocks of A's rows, then of B's columns, where lists are only where those lie. */
  readonly bits: readonly [a: Uint32Array, b: Uint32Array] | null;
  /** All products share their lists: items are of the first, and the grid has an axis for products. */
  readonly shared: boolean;
  /** Floating-point operations of what masks leave, of all products. */
  readonly usefulFlops: number;
}

/**
 * Words of lists above which kernels combine the bits of both operands themselves, and so many lists that none is cut. Lists of blocks of 8 of both operands,
 * 4,096 squared, a quarter of each, are 8 million words, which took a fifth of a second.
 */
export const MOST_LIST_WORDS = 700_000;
const MANY_LISTS = 16384;

/** Products that an axis of a grid takes. */
const MOST_LAYERS = 65535;

/** Which blocks of A a block row has, and of B a block column, as bits along the sum. */
const alongSum = (mask: BlockMask | null, isAlong: boolean): Uint32Array | null =>
  mask === null ? null : isAlong ? mask.bits : transposedBits(mask);

/** The tiles of all products, each with the blocks along the sum that both operands hold. */
export function draftItems(problem: ProductProblem, tile: ProductTile, mostWords = MOST_LIST_WORDS): ProductDraft {
  const {m, k, n, block, maskA, maskB, maskC, transposeA, transposeB, matricesA, matricesB} = problem;
  const bound = boundSides(problem);
  const batch = batchOf(problem);
  const lists = new BlockLists({numbers: k, block: bound.k ? block.k : tile.step, step: tile.step});
  const words = ceilDiv(lists.blocks, 32);
  const [bitsA, bitsB] = [alongSum(maskA, !transposeA), alongSum(maskB, transposeB)];
  const [tilesM, tilesN] = [ceilDiv(m, tile.rows), ceilDiv(n, tile.columns)];
  const blocks = blocksOf(problem);
  const [blocksM, blocksN] = [maskA === null ? 1 : blocks.m, maskB === null ? 1 : blocks.n];
  const listWords = (blocksM * blocksN * meanOfLists(problem)) / block.k;
  const areBits = bitsA !== null && bitsB !== null && listWords > mostWords && (mostWords === 0 || blocksM * blocksN >= MANY_LISTS);

  const combinations = new Map<string, number>();
  const combinationOf = new Int32Array(batch);
  const examples: (readonly [a: number, b: number, c: number])[] = [];
  for (let product = 0; product < batch; product++) {
    const own = [maskIndex(maskA, matricesA[product]!), maskIndex(maskB, matricesB[product]!), maskIndex(maskC, product)] as const;
    const known = combinations.get(own.join()) ?? combinations.size;
    if (known === combinations.size) {
      combinations.set(own.join(), known);
      examples.push(own);
    }
    combinationOf[product] = known;
  }
  /** Of blocks of A's rows and B's columns, by the pair of masks. */
  const made = new Map<string, Int32Array>();
  const listsOf = ([a, b]: readonly [number, number, number]): Int32Array => {
    const key = `${a},${b}`;
    let found = made.get(key);
    if (found !== undefined) return found;
    made.set(key, (found = new Int32Array(blocksM * blocksN)));
    for (let i = 0, at = 0; i < blocksM; i++)
      for (let j = 0; j < blocksN; j++, at++) {
        const [xAt, yAt] = [(a * blocksM + i) * words, (b * blocksN + j) * words];
        if (areBits) found[at] = lists.addBits(bitsA, xAt, bitsB, yAt);
        else if (bitsA !== null) found[at] = lists.addMet(bitsA, xAt, bitsB, yAt);
        else found[at] = bitsB === null ? lists.addAll() : lists.addMet(bitsB, yAt, null, 0);
      }
    return found;
  };

  const shared = examples.length === 1 && batch <= MOST_LAYERS;
  const count = (shared ? 1 : batch) * tilesM * tilesN;
  const [rows, columns, list, products] = [0, 1, 2, 3].map(() => new Int32Array(count)) as [
    Int32Array,
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  let [at, useful] = [0, 0];
  for (let product = 0; product < (shared ? 1 : batch); product++) {
    const example = examples[combinationOf[product]!]!;
    const own = listsOf(example);
    for (let i = 0; i < tilesM; i++) {
      const row = i * tile.rows;
      const blockRow = bound.m ? Math.floor(row / block.m) : 0;
      const height = Math.min(tile.rows, m - row);
      for (let j = 0; j < tilesN; j++, at++) {
        const column = j * tile.columns;
        const blockColumn = bound.n ? Math.floor(column / block.n) : 0;
        const isKept = maskC === null || holds(maskC, example[2], blockRow, blockColumn);
        const found = isKept ? own[(blocksM === 1 ? 0 : blockRow) * blocksN + (blocksN === 1 ? 0 : blockColumn)]! : 0;
        rows[at] = row;
        columns[at] = column;
        list[at] = found;
        products[at] = product;
        useful += height * Math.min(tile.columns, n - column) * lists.numbers(found);
      }
    }
  }
  const usefulFlops = 2 * useful * (shared ? batch : 1);
  return {lists, bits: areBits ? [bitsA, bitsB] : null, rows, columns, list, product: products, shared, usefulFlops};
}

/** Places of items by the steps of their lists, the longest first; of as many, in the order of memory. */
export function longestItemsFirst({lists, list}: ProductDraft): Int32Array {
  let most = 0;
  for (const each of list) most = Math.max(most, lists.steps(each));
  const begins = new Int32Array(most + 2);
  for (const each of list) begins[most - lists.steps(each) + 1]! += 1;
  for (let i = 1; i < begins.length; i++) begins[i]! += begins[i - 1]!;
  const order = new Int32Array(list.length);
  for (let i = 0; i < list.length; i++) order[begins[most - lists.steps(list[i]!)]!++] = i;
  return order;
}

/**
 * Fewer invocations to a multiprocessor leave it waiting, in workgroups of 64: all ones 1024³, 256 of them, .098 → .068 ms in 768. 512 workgroups
 * of 128 are enough: A 10 % .0638 → .0662 (lab, H200).
 */
const WANTED_ITEMS = 6;
/** Numbers along the sum below which a part costs more than it gives, and a sum that is not worth a second dispatch: all ones 512³ .0153 ms, cut .0227 (H200, 2026-11-30). */
const [LEAST_PART, LEAST_CUT] = [256, 512];
/** A sum as long as this much more than the others is not cut. */
const SLACK = 1.3;

/** In how many parts each list is computed: more than one only where items are few and lists long. By list. */
export function partsOfLists(
  {lists, bits, list, shared}: ProductDraft,
  layers: number,
  invocations: number,
  multiprocessors: number,
): Int32Array {
  const parts = new Int32Array(lists.count).fill(1);
  if (bits !== null) return parts;
  const products = shared ? layers : 1;
  // Those without a list only write zeros.
  let [sum, count] = [0, 0];
  for (const each of list) {
    sum += lists.numbers(each);
    if (each !== 0) count++;
  }
  const wanted = WANTED_ITEMS * multiprocessors;
  if (count * products * (invocations / 64) >= wanted) return parts;
  const limit = Math.max(LEAST_PART, (sum * products) / wanted);
  for (let each = 1; each < parts.length; each++) {
    const numbers = lists.numbers(each);
    const most = Math.ceil(numbers / lists.depth.block);
    if (numbers > Math.max(LEAST_CUT, SLACK * limit)) parts[each] = Math.min(most, Math.max(1, Math.round(numbers / limit)));
  }
  return parts;
}
