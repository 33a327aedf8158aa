import {rowAccess, type RowAccess} from '../text/row_access.js';
import {keyRowAt, rowAt} from '../tile/places.js';
import type {Staged} from '../tile/products.js';
import type {OwnedShape} from './gradient_shape.js';

/** A tensor as a gradient kernel reaches its own rows: by number. */
export interface Side {
  readonly access: RowAccess;
  /** The base of own row i. */
  own(i: number): string;
}

/** What the two kinds of kernel say differently. */
export interface GradientTensors {
  /** Query and gradient of the output, or key and value: what the workgroup owns. */
  readonly ownHead: Side;
  readonly ownValue: Side;
  /** The others: what is staged. */
  readonly head: Staged;
  readonly value: Staged;
}

/** The two kinds of tensors, by what the workgroup owns. A far scale that came only at the end would find products and sums past float32. */
export function gradientTensors({owns, headDim, valueDim, features, kinds}: OwnedShape): GradientTensors {
  const factor = features.farScale ? ' * params.sideScale' : '';
  const query = rowAccess('query', headDim);
  const key = rowAccess('key', headDim);
  const value = rowAccess('value', valueDim);
  const dOutput = rowAccess('dOutput', valueDim);
  const side = (access: RowAccess, name: string): Side => ({access, own: (i) => `${name}${i}`});
  if (owns === 'rows') {
    const row = (place: string): string => `(keyLine + ${keyRowAt(kinds, `min(y0 + i32(${place}), y.y - 1)`)})`;
    return {
      ownHead: side(query, 'query'),
      ownValue: side(dOutput, 'dOutput'),
      head: {access: key, row, factor},
      value: {access: value, row, factor: ''},
    };
  }
  const row = (place: string): string =>
    `(queryLine + ${rowAt(kinds, `min(begin + i32(${place}), visited.y - 1)`)} * params.queryStrides.y)`;
  return {
    ownHead: side(key, 'ownKey'),
    ownValue: side(value, 'ownValue'),
    head: {access: query, row, factor},
    value: {access: dOutput, row, factor: ''},
  };
}
