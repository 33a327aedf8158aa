/** Marks of a decade, from few to many. */
const DECIMAL: readonly (readonly number[])[] = [
  [1],
  [1, 3],
  [1, 2, 5],
  [1, 1.5, 2, 3, 4, 5, 7],
  [
    1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2, 2.2, 2.4, 2.6, 2.8, 3, 3.2, 3.4, 3.6, 3.8, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8,
    8.5, 9, 9.5,
  ],
];

/** Where a logarithmic axis from `least` to `most` has its marks: round numbers, about as many as one can read. */
export function decimalTicks(least: number, most: number): number[] {
  return suitable(
    DECIMAL.map((steps) =>
      powers(10, least, most)
        .flatMap((power) => steps.map((step) => Number(`${step}e${power}`)))
        .filter((tick) => tick >= least && tick <= most),
    ),
  );
}

/** The same in powers of two, for bytes. */
export function binaryTicks(least: number, most: number): number[] {
  return suitable(
    [10, 5, 2, 1].map((every) =>
      powers(2, least, most)
        .filter((power) => power % every === 0)
        .map((power) => 2 ** power)
        .filter((tick) => tick >= least && tick <= most),
    ),
  );
}

/** Whole exponents around what lies between. */
function powers(base: number, least: number, most: number): number[] {
  const exponent = (value: number): number => Math.log(value) / Math.log(base);
  const first = Math.floor(exponent(least));
  return Array.from({length: Math.ceil(exponent(most)) - first + 1}, (_, i) => first + i);
}

const FEWEST = 3;

/** The first list that has enough marks, else the longest. */
const suitable = (lists: readonly number[][]): number[] => lists.find(({length}) => length >= FEWEST) ?? lists.at(-1)!;
