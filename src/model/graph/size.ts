import {gcd} from '../../support/index.js';

/**
 * A size that may depend on a run of the model: a polynomial with integer coefficients over unknown sizes. Keys are products of
 * unknowns, sorted and joined; the empty key is the constant.
 *
 * Sizes are compared, multiplied and divided exactly, which is what proves that a reshape only regroups dimensions.
 */
export type Size = ReadonlyMap<string, number>;

const SEPARATOR = '\n';

const clean = (entries: Map<string, number>): Size => new Map([...entries].filter(([, factor]) => factor !== 0).sort(byKey));
const byKey = ([a]: [string, number], [b]: [string, number]): number => (a < b ? -1 : a > b ? 1 : 0);

export const sizeOf = (value: number): Size => clean(new Map([['', value]]));
export const unknownSize = (name: string): Size => new Map([[name, 1]]);

/** The number that a size is, or undefined when a run decides it. */
export function numberOf(size: Size | undefined): number | undefined {
  if (size === undefined) return undefined;
  if (size.size === 0) return 0;
  return size.size === 1 ? size.get('') : undefined;
}

/** Whether a size is another than 1 in every run, such as batch · 2. */
export function isNeverOne(size: Size): boolean {
  return size.size === 0 || [...size.values()].map(Math.abs).reduce(gcd) !== 1 || (numberOf(size) ?? 1) !== 1;
}

export function same(a: Size | undefined, b: Size | undefined): boolean {
  if (a === undefined || b === undefined || a.size !== b.size) return false;
  return [...a].every(([key, factor]) => b.get(key) === factor);
}

export function plus(a: Size, b: Size, sign: 1 | -1 = 1): Size {
  const sum = new Map(a);
  for (const [key, factor] of b) sum.set(key, (sum.get(key) ?? 0) + sign * factor);
  return clean(sum);
}

export const minus = (a: Size, b: Size): Size => plus(a, b, -1);

export function times(a: Size, b: Size): Size {
  const product = new Map<string, number>();
  for (const [left, x] of a) {
    for (const [right, y] of b) {
      const key = joinUnknowns([...unknownsIn(left), ...unknownsIn(right)]);
      product.set(key, (product.get(key) ?? 0) + x * y);
    }
  }
  return clean(product);
}

/** a / b when b is a product of unknowns and a number that divides every term of a; undefined otherwise. */
export function over(a: Size, b: Size): Size | undefined {
  const [divisor] = [...b];
  if (b.size !== 1 || divisor === undefined) return undefined;
  const quotient = new Map<string, number>();
  for (const [key, factor] of a) {
    const left = unknownsIn(key);
    for (const unknown of unknownsIn(divisor[0])) {
      const at = left.indexOf(unknown);
      if (at < 0) return undefined;
      left.splice(at, 1);
    }
    if (factor % divisor[1] !== 0) return undefined;
    quotient.set(joinUnknowns(left), factor / divisor[1]);
  }
  return clean(quotient);
}

export const product = (sizes: readonly Size[]): Size => sizes.reduce(times, sizeOf(1));

const unknownsIn = (key: string): string[] => (key === '' ? [] : key.split(SEPARATOR));
const joinUnknowns = (unknowns: string[]): string => unknowns.sort().join(SEPARATOR);
