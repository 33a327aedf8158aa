/** The shape of an attention tensor with its head axis: rank 3 is one head. */
export function rank4(shape: readonly number[]): [number, number, number, number] {
  return (shape.length === 3 ? [shape[0]!, 1, shape[1]!, shape[2]!] : [...shape]) as [number, number, number, number];
}
