import {nearestName, refuse} from './errors.js';
import {plainNumber} from './numbers.js';
import {awaitOr, isPromise, say} from './say.js';

/** The names of an interface of options. The compiler asks for each of them and for no other, so that a new option cannot be forgotten. */
export type NamesOf<T> = {readonly [name in keyof T]-?: true};

/** Options as they are read: null is gone. */
export type Given<T> = {[name in keyof T]: Exclude<T[name], null>};

/** How messages speak of options. */
export interface OptionWords {
  /** All of them, such as `options` or `shape`. */
  readonly all: string;
  /** Of what is no object: what it should be, and the cure. */
  readonly expected: string;
  readonly cure: string;
  /** One of them, by its name; `${all}.${name}` and the like. */
  readonly one: (name: string) => string;
  /** What other packages call an option: too far from its name to be taken for a typo of it. */
  readonly elsewhere?: Readonly<Record<string, readonly string[]>>;
  /** What no option says, but something else does: the cure by the name that other packages give it. */
  readonly otherwise?: Readonly<Record<string, string>>;
  /** Names that are taken and not told of. */
  readonly also?: readonly string[];
}

/** The given name where it is one of `names`; else a refusal with the nearest of them, or with `cure` where none is near. */
export function oneOf<Name extends string>(
  thing: string,
  given: unknown,
  names: readonly Name[],
  cure: string,
  expected = `one of ${names.join(', ')}`,
): Name {
  if (names.includes(given as Name)) return given as Name;
  const near = typeof given === 'string' ? nearestName(given, names) : undefined;
  return refuse(thing, say(given), expected, near === undefined ? cure : `Did you mean '${near}'?`);
}

/**
 * The options of a call, by the one rule for all of them: null and undefined mean that an option is left out, a BigInt of 32 bits is the
 * number, and an unknown name is refused with the nearest known one.
 */
export function readOptions<T extends object>(given: T | null | undefined, names: NamesOf<T>, words: OptionWords): Given<T> {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    refuse(words.all, say(given), words.expected, words.cure);
  // It has no names to tell of.
  if (isPromise(given)) refuse(words.all, say(given), words.expected, awaitOr(given, words.cure));
  const read: Record<string, unknown> = {};
  for (const name of Object.keys(given)) {
    const value = (given as Record<string, unknown>)[name];
    if (!Object.hasOwn(names, name) && words.also?.includes(name) !== true) {
      const known = Object.keys(names);
      const namesake = Object.entries(words.elsewhere ?? {}).find(([, names]) => names.includes(name))?.[0];
      const near = namesake ?? nearestName(name, known);
      const cure =
        new Map(Object.entries(words.otherwise ?? {})).get(name) ?? (near === undefined ? 'Remove it.' : `Did you mean '${near}'?`);
      refuse(words.one(name), 'an unknown option', `one of ${known.join(', ')}`, cure);
    }
    if (value !== undefined && value !== null) read[name] = plainNumber(value);
  }
  return read as Given<T>;
}
