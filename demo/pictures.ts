import {planAttention, type Pattern} from '../src/index.js';
import {forEachSpan} from '../src/plan/index.js';

type Plan = ReturnType<typeof planAttention>;

/** Pixels of a side of both pictures. */
const SIDE = 512;

/** How many of the pairs (query, key) of each pixel attend, exactly: the plan of a strip of queries at a time, as a dense mask. */
export function drawMask(canvas: HTMLCanvasElement, pattern: Pattern, length: number): void {
  const cell = Math.max(1, length / SIDE);
  const pairs = new Float64Array(SIDE * SIDE);
  // 4M pairs at a time: a dense mask of 16,384² would be 268 MB.
  const strip = Math.max(1, Math.floor(2 ** 22 / length));
  for (let first = 0; first < length; first += strip) {
    const queryLength = Math.min(strip, length - first);
    const mask = planAttention(pattern, {queryLength, keyLength: length, headDim: 1, queryOffset: first}).toDense();
    for (let query = 0; query < queryLength; query++) {
      const row = SIDE * Math.floor((first + query) / cell);
      for (let key = 0, at = query * length; key < length; key++, at++) pairs[row + Math.floor(key / cell)]! += mask[at]!;
    }
  }
  const colour = colourOf('--accent', canvas);
  paint(canvas, length, (index) => [colour, pairs[index]! / (cell * cell)]);
}

/** Which tiles of keys each workgroup visits. Rows of a strided tile lie apart, so a pixel may hold parts of many tiles. */
export function drawPlan(canvas: HTMLCanvasElement, plan: Plan): void {
  const length = plan.problem.keyLength;
  const cell = Math.max(1, length / SIDE);
  const full = new Float64Array(SIDE * SIDE);
  const visited = new Float64Array(SIDE * SIDE);
  if (plan.implementation === 'dense') visited.fill(cell * cell);
  else {
    forEachSpan(plan, (item, span) => {
      const rows = new Map<number, number>();
      for (let x = 0; x < item.rows; x++) {
        const row = Math.floor((item.firstRow + item.rowStride * x) / cell);
        rows.set(row, (rows.get(row) ?? 0) + 1);
      }
      for (let y = span.yBegin; y < span.yEnd; y++) {
        const column = Math.floor((span.firstKey + span.keyStride * y) / cell);
        const whole = y >= span.fullBegin && y < span.fullEnd;
        for (const [row, count] of rows) {
          visited[SIDE * row + column]! += count;
          if (whole) full[SIDE * row + column]! += count;
        }
      }
    });
  }
  const [dark, light] = [colourOf('--plan-full', canvas), colourOf('--plan-partial', canvas)];
  paint(canvas, length, (index) => [full[index]! * 2 > visited[index]! ? dark : light, visited[index]! / (cell * cell)]);
}

type Colour = readonly [number, number, number];

/** Colours every pixel by `shade`: a colour and how much of it. Short sequences have fewer cells than pixels: the canvas shrinks. */
function paint(canvas: HTMLCanvasElement, length: number, shade: (index: number) => readonly [Colour, number]): void {
  const side = Math.min(SIDE, length);
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(side, side);
  const paper = colourOf('--page', canvas);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const [colour, amount] = shade(SIDE * row + column);
      // A square root, so that the thin diagonals of a strided pattern (1 pair in 128) can still be seen.
      const alpha = Math.sqrt(Math.min(1, amount));
      for (let channel = 0; channel < 3; channel++) {
        image.data[4 * (side * row + column) + channel] = paper[channel]! + alpha * (colour[channel]! - paper[channel]!);
      }
      image.data[4 * (side * row + column) + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** The style sheet's `#rrggbb`. */
function colourOf(name: string, element: Element): Colour {
  const value = parseInt(getComputedStyle(element).getPropertyValue(name).trim().slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}
