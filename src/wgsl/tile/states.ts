import type {Kinds} from '../../plan/index.js';
import {lines} from '../text/text.js';
import type {Owns} from './places.js';

/** Tiles of rows that visit keys, or of keys that rows visit, `width` of these at a time. */
interface Tiles {
  readonly kinds: Pick<Kinds, 'mask' | 'rows' | 'keys'>;
  readonly width: number;
  readonly owns: Owns;
}

/** What a tile of a mask tensor holds. */
export const STATES = /* wgsl */ `
const NONE = 0;
const SOME = 1;
const ALL = 2;
`;

/** Whether the tiles of a pass have states: those of a planner do, whose rows and keys follow one another. */
export const hasStates = ({mask, rows, keys}: Pick<Kinds, 'mask' | 'rows' | 'keys'>): boolean =>
  mask === 'tensor' && rows === 'affine' && keys === 'affine';

/** Where states lie, in the layout of maskStates: behind the bits, a pair for 64 keys. */
export const stateFunctions = ({kinds, width, owns}: Tiles, rows: number): string =>
  hasStates(kinds)
    ? lines(
        STATES,
        /* wgsl */ `
fn stateAt(batch: u32, head: u32, row: i32, key: i32) -> i32 {
  let perRow = (params.keyLength + 63u) / 64u;
  let heads = select(1u, params.heads, params.maskStrides.y != 0u);
  let plane = select(0u, batch * heads, params.maskStrides.x != 0u) + select(0u, head, params.maskStrides.y != 0u);
  let maskRows = select(1u, params.queryLength, params.maskStrides.z != 0u);
  let tile = plane * ((maskRows + ${rows - 1}u) / ${rows}u) + select(0u, u32(row) / ${rows}u, params.maskStrides.z != 0u);
  let both = schedule[params.maskBits + params.pairs + tile * perRow + u32(key) / 64u];
  return ${(owns === 'rows' ? width : rows) <= 32 ? 'select(both.x, both.y, (key & 32) != 0)' : 'select(select(SOME, ALL, min(both.x, both.y) == ALL), NONE, max(both.x, both.y) == NONE)'};
}
`,
      )
    : '';

/** Declares what the tile holds that a loop is at. */
export const letState = ({owns}: Pick<Tiles, 'owns'>): string =>
  owns === 'rows'
    ? 'let holds = stateAt(batch, head, rowsOf.x, y0);'
    : 'let holds = stateAt(batch, head, rowsOf.x + rowsOf.y * begin, keysOf.x);';
