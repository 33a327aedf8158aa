const identities = new WeakMap<object, number>();
let seen = 0;

/** A number that nothing else has had, also no buffer that is destroyed by now; later ones are larger. */
export function identity(of: object): number {
  let number = identities.get(of);
  if (number === undefined) identities.set(of, (number = seen++));
  return number;
}
