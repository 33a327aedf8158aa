export {
  readBlockMask,
  transposedBits,
  type BlockEntries,
  type BlockMask,
  type BlockMaskData,
  type BlockRows,
} from './block_mask.js';
export {PRODUCT_ITEM, PRODUCT_MERGE} from './items.js';
export {FIRST_BITS, MOST_BLOCKS} from './lists.js';
export {batchOf, blocksOf, maskIndex, maskSizes, type MaskName, type ProductProblem, type ProductSizes} from './problem.js';
export {
  columnsOf,
  packLists,
  PACKED_HEADER,
  partLimit,
  type PackedColumns,
  type PackedLists,
  type PackedRows,
} from './packed_lists.js';
export {makeProductPlan, type ListLengths, type ProductChoice, type ProductPlan} from './product_plan.js';
export {productText} from './product_text.js';
export {matrixUnits, ownsFours, PRODUCT_TILES, tileBytes, type ProductTile} from './tiles.js';
