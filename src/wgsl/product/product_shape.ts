import type {ProductTile} from '../../product/index.js';

/** What the text of a product depends on. */
export interface ProductShape {
  readonly tile: ProductTile;
  /** Numbers of a block along the sum. */
  readonly block: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Rows in memory consist of fours, of a, b and output. */
  readonly inFours: readonly [a: boolean, b: boolean, output: boolean];
  /** Tiles or steps may reach past the matrices. */
  readonly ragged: boolean;
  /** Some tiles are computed in parts. */
  readonly inParts: boolean;
  /** Words of bits of a list, of each operand, where lists are that; 0: they are runs. */
  readonly bitWords: number;
  /** There is one product; or one to a layer of the grid, which share their items; or each item says of which it is. */
  readonly products: 'one' | 'grid' | 'items';
}
