import type {Acsr} from '../../src/pure.js';
import {decodeRow} from '../../src/acsr/index.js';
import {paint} from '../shell/paint.js';
import {colourOf, type Colour} from '../shell/theme.js';
import type {Grid} from './cells.js';

/** How many of the pairs of each cell attend. */
export function drawMask(canvas: HTMLCanvasElement, pairs: Float64Array, grid: Grid): void {
  const colour = colourOf('--accent');
  paint(canvas, grid.side, (cell) => [colour, pairs[cell]! / grid.size ** 2]);
}

/** Which pairs the kernel computes; a cell takes the colour of its larger part. */
export function drawTiles(canvas: HTMLCanvasElement, computed: Float64Array, full: Float64Array, grid: Grid): void {
  const [whole, partial] = [colourOf('--plan-full'), colourOf('--plan-partial')];
  paint(canvas, grid.side, (cell) => [full[cell]! * 2 > computed[cell]! ? whole : partial, computed[cell]! / grid.size ** 2]);
}

/** How much of what is computed is wanted: all of it in the colour of full tiles, none in the colour of marks. */
export function drawHeat(canvas: HTMLCanvasElement, pairs: Float64Array, computed: Float64Array, grid: Grid): void {
  const [wanted, wasted] = [colourOf('--plan-full'), colourOf('--mark')];
  paint(canvas, grid.side, (cell) => {
    const share = computed[cell] === 0 ? 0 : pairs[cell]! / computed[cell]!;
    return [mix(wasted, wanted, share), computed[cell]! / grid.size ** 2];
  });
}

const mix = (one: Colour, other: Colour, share: number): Colour =>
  [0, 1, 2].map((channel) => one[channel]! + share * (other[channel]! - one[channel]!)) as unknown as Colour;

/** Pairs on each side of the one under the lens. */
const REACH = 24;

/** The pairs around one, each a pixel; outside of the mask there is paper, its border drawn as a line of ink. */
export function drawLens(canvas: HTMLCanvasElement, acsr: Acsr, query: number, key: number): void {
  const side = 2 * REACH + 1;
  const attends = new Uint8Array(side ** 2);
  for (let row = 0; row < side; row++) {
    const shown = query - REACH + row;
    if (shown < 0 || shown >= acsr.queryLength) continue;
    for (const found of decodeRow(acsr, shown)) {
      const column = found - key + REACH;
      if (column >= 0 && column < side) attends[row * side + column] = 1;
    }
  }
  const [colour, mark, outside] = [colourOf('--accent'), colourOf('--mark'), colourOf('--line')];
  paint(canvas, side, (cell) => {
    const [row, column] = [Math.floor(cell / side), cell % side];
    const [q, k] = [query - REACH + row, key - REACH + column];
    if (q < 0 || k < 0 || q >= acsr.queryLength || k >= acsr.keyLength) return [outside, 1];
    if (q === query) return [mark, attends[cell] ? 1 : 0.05];
    return [colour, attends[cell]!];
  });
}
