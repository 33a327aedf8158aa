/** What may vary, and the values each factor takes. */
export type Factors = Readonly<Record<string, readonly unknown[]>>;
export type Choice<F extends Factors> = {readonly [Name in keyof F]: F[Name][number]};

/**
 * Choices among which every pair of values of two factors occurs, greedily few. Pairs show most of what goes wrong between options, and
 * there are far fewer of them than of all combinations.
 */
export function pairwise<F extends Factors>(factors: F): Choice<F>[] {
  const names = Object.keys(factors);
  const open = allPairs(factors);
  const rows: Choice<F>[] = [];
  while (open.size > 0) {
    const row = new Map<string, number>();
    const [first] = open;
    for (const part of first!.split(' | ')) row.set(part.split(' ')[0]!, Number(part.split(' ')[1]));
    for (const name of names) {
      if (row.has(name)) continue;
      const gain = (level: number): number => [...row].filter(([other, its]) => open.has(pair(name, level, other, its))).length;
      const levels = factors[name]!.map((_, level) => level);
      // Values take turns where none is better.
      levels.sort((a, b) => gain(b) - gain(a) || ((a + rows.length) % levels.length) - ((b + rows.length) % levels.length));
      row.set(name, levels[0]!);
    }
    for (const [a, x] of row) for (const [b, y] of row) open.delete(pair(a, x, b, y));
    rows.push(Object.fromEntries(names.map((name) => [name, factors[name]![row.get(name)!]])) as Choice<F>);
  }
  return rows;
}

/** The pairs of values that occur in none of the choices. */
export function missingPairs<F extends Factors>(factors: F, rows: readonly Choice<F>[]): string[] {
  const open = allPairs(factors);
  for (const row of rows)
    for (const a of Object.keys(factors))
      for (const b of Object.keys(factors))
        if (a !== b) open.delete(pair(a, factors[a]!.indexOf(row[a]), b, factors[b]!.indexOf(row[b])));
  return [...open];
}

const pair = (a: string, x: number, b: string, y: number): string => [`${a} ${x}`, `${b} ${y}`].sort().join(' | ');

function allPairs(factors: Factors): Set<string> {
  const pairs = new Set<string>();
  for (const [a, xs] of Object.entries(factors))
    for (const [b, ys] of Object.entries(factors))
      if (a < b) xs.forEach((_, x) => ys.forEach((_, y) => pairs.add(pair(a, x, b, y))));
  return pairs;
}
