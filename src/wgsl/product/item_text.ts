import {FIRST_BITS, PRODUCT_ITEM} from '../../product/index.js';
import {gridIndex} from '../text/grid.js';
import {lines} from '../text/text.js';
import {plain, type Step} from '../tile/flow.js';
import {firstOf, type ProductOperand} from './operand.js';
import type {ProductShape} from './product.js';

/** WGSL: a word of the item. */
export const itemWord = (word: keyof typeof PRODUCT_ITEM): string => `schedule[record + ${PRODUCT_ITEM[word]}u]`;

const FIRST = `word & ${2 ** FIRST_BITS - 1}u`;

/** WGSL: the item of a workgroup, where its matrices begin, and the first run of its list. */
export function itemText(
  {products, block}: Pick<ProductShape, 'products' | 'block'>,
  a: ProductOperand,
  b: ProductOperand,
): string {
  const isOne = products === 'one';
  return lines(
    `let index = params.first + ${gridIndex(1, '0u')};`,
    `if (index >= params.end) { return; }
let record = params.itemsAt + ${PRODUCT_ITEM.words}u * index;
let row = ${itemWord('row')};
let column = ${itemWord('column')};
let steps = ${itemWord('steps')};
let product = ${isOne ? '0u' : products === 'grid' ? 'group.z' : itemWord('product')};
let aFirst = ${isOne ? '0u' : firstOf(a, 'schedule[2u * product]')};
let bFirst = ${isOne ? '0u' : firstOf(b, 'schedule[2u * product + 1u]')};
var at = ${itemWord('list')} + 1u;
var word = ${itemWord('word')};
var k = (${FIRST}) * ${block}u;
var end = k + ((word >> ${FIRST_BITS}u) + 1u) * ${block}u;
word = schedule[at];`,
  );
}

/** To the next step of a list. */
export const nextStep = ({tile: {step}, block}: Pick<ProductShape, 'tile' | 'block'>): Step =>
  plain(
    lines(
      `k += ${step}u;`,
      // A block is gone through in steps, and the last of a sum may be shorter: its list then ends.
      `if (k >= end) {`,
      `k = (${FIRST}) * ${block}u;`,
      `end = k + ((word >> ${FIRST_BITS}u) + 1u) * ${block}u;`,
      'at += 1u;',
      'word = schedule[at]; // of the run after this one',
      '}',
    ),
  );
