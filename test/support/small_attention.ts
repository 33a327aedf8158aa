/**
 * Softmax attention of one head in float64 loops: rows of the output, zeros where a query sees no key. Query, key and value are
 * [length, width], row by row.
 */
export function rowsOfAttention(
  query: ArrayLike<number>,
  key: ArrayLike<number>,
  value: ArrayLike<number>,
  width: number,
  scale: number,
  seen: (query: number, key: number) => boolean,
): number[][] {
  const [queries, keys] = [query.length / width, key.length / width];
  return Array.from({length: queries}, (_, q) => {
    const scores = Array.from({length: keys}, (_, k) => {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += query[q * width + i]! * key[k * width + i]!;
      return seen(q, k) ? scale * sum : -Infinity;
    });
    const highest = Math.max(...scores);
    const weights = scores.map((score) => (score === -Infinity ? 0 : Math.exp(score - highest)));
    const total = weights.reduce((a, b) => a + b, 0);
    return Array.from({length: width}, (_, i) =>
      total === 0 ? 0 : weights.reduce((sum, weight, k) => sum + weight * value[k * width + i]!, 0) / total,
    );
  });
}
