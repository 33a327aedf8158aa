import {colourOf, type Colour} from './theme.js';

/** Colours every pixel by `shade`: a colour and how much of it. */
export function paint(canvas: HTMLCanvasElement, side: number, shade: (cell: number) => readonly [Colour, number]): void {
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext('2d')!;
  const image = context.createImageData(side, side);
  const paper = colourOf('--page');
  for (let cell = 0; cell < side * side; cell++) {
    const [colour, amount] = shade(cell);
    // A square root, so that the thin diagonals of a strided pattern (1 pair in 128) can still be seen.
    const alpha = Math.sqrt(Math.min(1, amount));
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * cell + channel] = paper[channel]! + alpha * (colour[channel]! - paper[channel]!);
    }
    image.data[4 * cell + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
