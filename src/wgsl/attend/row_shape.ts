import {addsInSubgroups, converts, FORMATS, ownTile, type Kinds} from '../../plan/index.js';
import type {Features} from '../text/features.js';
import type {Region} from '../tile/flow.js';
import type {OwnShape, Structure} from '../tile/kernel_shape.js';
import {partRegions} from '../tile/own_trips.js';

/** Everything the text of the row-wise kernel depends on. */
export interface RowShape extends OwnShape {
  /** Where neighbours leave their parts of products, in turns; none where they shuffle them. */
  readonly parts: readonly (readonly Region[])[];
  /** Trips of rows that have no keys left are branched around. */
  readonly branches: boolean;
}

export function rowShape({problem, device, formats}: Structure, features: Features, kinds: Kinds): RowShape {
  const {rows, keys, threadsX, threadsY} = ownTile(kinds);
  const shuffles = addsInSubgroups(device);
  const parts = partRegions(shuffles, threadsX * threadsY, rows / threadsY);
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
    memory: parts.at(-1)?.at(-1)?.end ?? 0,
    parts,
    branches: device.software && kinds.mask === 'fours',
  };
}
