import {converts, FORMATS, ROW_WISE, type Kinds} from '../../plan/index.js';
import type {Features} from '../text/features.js';
import type {Region} from '../tile/flow.js';
import type {OwnShape, Structure} from '../tile/kernel_shape.js';

/** Everything the text of the row-wise kernel depends on. */
export interface RowShape extends OwnShape {
  /** Where neighbours leave their parts of products, in turns; none where they shuffle them. */
  readonly parts: readonly Region[];
}

export function rowShape({problem, device, formats}: Structure, features: Features, kinds: Kinds): RowShape {
  const {rows, keys, threadsX, threadsY} = ROW_WISE;
  const shuffles = (device.subgroups?.min ?? 1) >= threadsX;
  const size = threadsX * threadsY;
  const parts = shuffles ? [] : [0, 1].map((turn) => ({begin: turn * size, end: (turn + 1) * size}));
  return {
    headDim: problem.headDim,
    valueDim: problem.valueDim,
    rows,
    keys,
    threadsX,
    threadsY,
    formats,
    nativeHalves: converts(formats) && device.float16,
    shuffled: shuffles ? threadsX : 1,
    kinds,
    features,
    valueHalves: FORMATS[formats.value].bytes === 2,
    memory: size * parts.length,
    parts,
  };
}
