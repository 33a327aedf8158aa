import {FIRST_BITS, PRODUCT_ITEM} from '../../product/index.js';
import {gridIndex} from '../text/grid.js';
import {lines} from '../text/text.js';
import {plain, type Step} from '../tile/flow.js';
import {firstOf, type ProductOperand} from './operand.js';
import type {ProductShape} from './product_shape.js';

/** WGSL: a word of the item. */
export const itemWord = (word: keyof typeof PRODUCT_ITEM): string => `schedule[record + ${PRODUCT_ITEM[word]}u]`;

type ListShape = Pick<ProductShape, 'products' | 'block' | 'bitWords'>;

/** WGSL: the item of a workgroup, where its matrices begin, and the first block of its list. */
export function itemText(shape: ListShape, a: ProductOperand, b: ProductOperand): string {
  const {products, bitWords} = shape;
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
var k: u32;
var end: u32;`,
    bitWords === 0
      ? lines(`var at = ${itemWord('list')};`, `var word = ${itemWord('word')};`)
      : lines(
          `let leftBits = ${itemWord('list')};`,
          `let rightBits = ${itemWord('word')};`,
          'var at = 0u;',
          'var word = schedule[leftBits] & schedule[rightBits]; // a bit for each block that both hold',
        ),
    nextRun(shape),
  );
}

/** The numbers of the next run of blocks. */
const nextRun = ({block, bitWords}: ListShape): string =>
  bitWords === 0
    ? lines(
        `k = (word & ${2 ** FIRST_BITS - 1}u) * ${block}u;`,
        `end = k + ((word >> ${FIRST_BITS}u) + 1u) * ${block}u;`,
        'at += 1u;',
        'word = schedule[at]; // of the run after this one',
      )
    : lines(
        `while (word == 0u && at < ${bitWords}u) {`,
        'at += 1u;',
        'word = schedule[leftBits + at] & schedule[rightBits + at];',
        '}',
        `k = (32u * at + firstTrailingBit(word)) * ${block}u;`,
        `end = k + ${block}u;`,
        'word &= word - 1u;',
      );

/** To the next step of a list. */
export const nextStep = (shape: ListShape & Pick<ProductShape, 'tile'>): Step =>
  plain(
    lines(
      `k += ${shape.tile.step}u;`,
      // A block is gone through in steps, and the last of a sum may be shorter: its list then ends.
      `if (k >= end) {`,
      nextRun(shape),
      '}',
    ),
  );
