import {longestItemsFirst, PRODUCT_ITEM, PRODUCT_MERGE, type ProductDraft} from './items.js';
import {batchOf, type ProductProblem} from './problem.js';

/** What the kernels read, in one buffer: the matrices of each product, items, merges, lists. Offsets in words. */
export interface ProductSchedule {
  readonly words: Uint32Array;
  /** Words of bits of a list, of each operand, where lists are that; 0: they are runs. */
  readonly bitWords: number;
  readonly itemsAt: number;
  readonly mergesAt: number;
  readonly items: number;
  readonly merges: number;
  /** Parts of tiles that wait to be merged, of one layer of the grid. */
  readonly slots: number;
  /** Steps of each item, for dispatches that are cut. */
  readonly steps: Int32Array;
}

/** Items the longest first, those of several parts cut. `parts` by list. */
export function packSchedule(problem: ProductProblem, draft: ProductDraft, parts: Int32Array): ProductSchedule {
  const {lists, bits, list, rows, columns, product} = draft;
  const {matricesA, matricesB} = problem;
  const cut = new Map<number, number[]>();
  for (let each = 1, end = parts.length; each < end; each++) if (parts[each]! > 1) cut.set(each, lists.cut(each, parts[each]!));

  let [items, merges, slots] = [list.length, 0, 0];
  for (const each of list) {
    const own = parts[each]!;
    if (own <= 1) continue;
    items += own - 1;
    merges++;
    slots += own;
  }
  const batch = batchOf(problem);
  const itemsAt = 2 * batch;
  const mergesAt = itemsAt + PRODUCT_ITEM.words * items;
  const listsAt = mergesAt + PRODUCT_MERGE.words * merges;
  const listed = bits ?? [lists.words];
  const rightAt = listsAt + listed[0].length;
  // Kernels read one word past the one they are at.
  const words = new Uint32Array(rightAt + (bits === null ? 0 : bits[1].length) + 1);
  for (let each = 0; each < batch; each++) {
    words[2 * each] = matricesA[each]!;
    words[2 * each + 1] = matricesB[each]!;
  }
  words.set(listed[0], listsAt);
  if (bits !== null) words.set(bits[1], rightAt);

  const steps = new Int32Array(items);
  let [itemAt, mergeAt, slot] = [itemsAt, mergesAt, 0];
  const item = (of: number, own: number, slotWord: number): void => {
    steps[(itemAt - itemsAt) / PRODUCT_ITEM.words] = lists.steps(own);
    words[itemAt + PRODUCT_ITEM.row] = rows[of]!;
    words[itemAt + PRODUCT_ITEM.column] = columns[of]!;
    const at = listsAt + (bits === null ? lists.begin(own) : lists.left(own));
    words[itemAt + PRODUCT_ITEM.list] = at;
    words[itemAt + PRODUCT_ITEM.word] = bits === null ? words[at]! : rightAt + lists.right(own);
    words[itemAt + PRODUCT_ITEM.steps] = lists.steps(own);
    words[itemAt + PRODUCT_ITEM.product] = product[of]!;
    words[itemAt + PRODUCT_ITEM.slot] = slotWord;
    itemAt += PRODUCT_ITEM.words;
  };
  for (const of of longestItemsFirst(draft)) {
    const own = cut.size === 0 ? undefined : cut.get(list[of]!);
    if (own === undefined) {
      item(of, list[of]!, 0);
      continue;
    }
    words.set([rows[of]!, columns[of]!, slot, own.length, product[of]!], mergeAt);
    mergeAt += PRODUCT_MERGE.words;
    for (const part of own) item(of, part, ++slot);
  }
  return {words, bitWords: bits === null ? 0 : (lists.blocks + 31) >>> 5, itemsAt, mergesAt, items, merges, slots, steps};
}
