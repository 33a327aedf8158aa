/** A row of self-attention over the first `keys` tokens of [1, n, dim], in float64: query, key and value are the same. */
export function attentionRow(tokens: Float32Array, row: number, dim: number, keys: number): Float64Array {
  const scores = Float64Array.from({length: keys}, (_, key) => {
    let sum = 0;
    for (let i = 0; i < dim; i++) sum += tokens[row * dim + i]! * tokens[key * dim + i]!;
    return sum / Math.sqrt(dim);
  });
  const largest = scores.reduce((most, score) => Math.max(most, score), -Infinity);
  const output = new Float64Array(dim);
  let total = 0;
  scores.forEach((score, key) => {
    const weight = Math.exp(score - largest);
    total += weight;
    for (let i = 0; i < dim; i++) output[i]! += weight * tokens[key * dim + i]!;
  });
  return output.map((value) => value / total);
}
