export const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

export const listOf = <T>(count: number, make: (i: number) => T): T[] => Array.from({length: count}, (_, i) => make(i));

/** The remainder in [0, n), also for negative `a` (Euclidean). */
export const mod = (a: number, n: number): number => ((a % n) + n) % n;

export function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}
