/**
 * Letters for axes that a graph has as one: batch and heads; batch and windows, as windows of images lie one after the other in the
 * batch; all of these; and the features of all heads, as projections give them.
 */
const MERGED: Readonly<Record<string, string>> = {m: 'bh', w: 'ab', g: 'abh', f: 'hd'};

/** What is asked of the axes of each node that runs, of which a model has a few; a model.json may have any, so not all are kept. */
export function ofAxes<T>(make: (axes: string) => T): (axes: string) => T {
  const known = new Map<string, T>();
  return (axes) => {
    let made = known.get(axes);
    if (made === undefined) {
      if (known.size === MOST_AXES) known.clear();
      known.set(axes, (made = make(axes)));
    }
    return made;
  };
}
const MOST_AXES = 256;

/** Axes with merged ones as the letters that they stand for. */
export const apart = /*#__PURE__*/ ofAxes((axes) => [...axes].map((letter) => MERGED[letter] ?? letter).join(''));

export const isMerged = (letter: string | undefined): boolean => letter !== undefined && letter in MERGED;

export const holdsMerged = /*#__PURE__*/ ofAxes((axes) => [...axes].some(isMerged));

/** The letter of axes that lie side by side in one. */
export function mergedLetter(letters: readonly string[]): string | undefined {
  const all = letters.join('');
  return letters.length === 1 ? all : Object.keys(MERGED).find((letter) => MERGED[letter] === all);
}

/** The attributes of a node with the sizes of parts of merged axes, by letter. */
export const PARTS = {h: 'heads', b: 'windows', a: 'images'} as const;
