/** `each(3, i => …)` joined: WGSL is unrolled here, in the generator, because Tint clamps and spills dynamically indexed registers. */
export function each(count: number, line: (index: number) => string, separator = '\n'): string {
  return Array.from({length: count}, (_, index) => line(index)).join(separator);
}

/** Joins non-empty blocks by newlines. */
export const lines = (...blocks: readonly string[]): string => blocks.filter((block) => block !== '').join('\n');

/** A balanced tree of `combine` over the terms: short dependency chains. */
export function tree(terms: readonly string[], combine: (a: string, b: string) => string): string {
  if (terms.length === 1) return terms[0]!;
  const half = terms.length >> 1;
  return combine(tree(terms.slice(0, half), combine), tree(terms.slice(half), combine));
}

/** Re-indents by braces, so that generated text reads like written text whatever the nesting of its templates. */
export function indent(code: string): string {
  let depth = 0;
  return code
    .split('\n')
    .map((line) => line.trim())
    .filter((line, index, all) => line !== '' || (index > 0 && all[index - 1] !== ''))
    .map((line) => {
      const text = line.replace(/\/\/.*$/, '');
      const closes = /^[}\])]/.test(text) ? 1 : 0;
      const printed = line === '' ? '' : '  '.repeat(Math.max(0, depth - closes)) + line;
      depth += (text.match(/[{[(]/g)?.length ?? 0) - (text.match(/[}\])]/g)?.length ?? 0);
      return printed;
    })
    .join('\n')
    .trim()
    .concat('\n');
}

/** Words as a sentence lists them. */
export const list = (words: readonly string[]): string =>
  words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)!}`;
