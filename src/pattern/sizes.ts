import {isPromise, nearestName, plainNumber, refuse} from '../support/index.js';

/** What a size may be. */
export interface SizeRule {
  readonly least: 0 | 1;
  /** Whether `Infinity` is a size too. */
  readonly infinite?: true;
  /** The size when none is given; a rule without one makes the option required. */
  readonly fallback?: number;
}

/** The options of the patterns that are written with named options. The text form, the JSON form and the builders all read this table. */
export const OPTIONS = {
  slidingWindow: {
    left: {least: 0, infinite: true, fallback: 0},
    right: {least: 0, infinite: true, fallback: 0},
    dilation: {least: 1, fallback: 1},
  },
  strided: {stride: {least: 1}},
  blockLocal: {size: {least: 1}},
} as const satisfies Record<string, Record<string, SizeRule>>;

export type OptionKind = keyof typeof OPTIONS;
type Sizes<K extends OptionKind> = {readonly [name in keyof (typeof OPTIONS)[K]]: number};

/** The size that `given` says, when it obeys `rule`. Larger than any sequence is fine: counts clip. */
export function checkSize(thing: string, given: unknown, rule: SizeRule): number {
  const value = plainNumber(given);
  if (Number.isSafeInteger(value) && (value as number) >= rule.least) return (value as number) + 0; // + 0: −0 becomes 0
  if (value === Infinity && rule.infinite) return value;
  const kind = rule.least === 0 ? 'a non-negative integer' : 'a positive integer';
  return refuse(thing, spell(value), rule.infinite ? `${kind} or Infinity` : kind, cureFor(value, rule));
}

function cureFor(value: unknown, rule: SizeRule): string {
  if (value === null) return 'Leave it out for the default; JSON makes null of Infinity, which toJSON() writes as text.';
  if (value === undefined) return 'Give it; it has no default.';
  if (typeof value !== 'number') return 'Pass it as a number.';
  if (Number.isNaN(value)) return 'Look for the division or the missing value that it came from.';
  if (value < rule.least) return 'Sizes are counts of tokens, not offsets; causal() restricts a pattern to the past.';
  if (!Number.isFinite(value)) return 'Name a finite size; full() attends to everything.';
  if (!Number.isInteger(value)) return 'Round it.';
  return `The largest size is ${Number.MAX_SAFE_INTEGER}.`;
}

/** The named options of a pattern, checked, defaults filled in, in the order of the table. */
export function readSizes<K extends OptionKind>(kind: K, given: unknown): Sizes<K> {
  const rules: Record<string, SizeRule> = OPTIONS[kind];
  const options = checkRecord(kind, given, Object.keys(rules));
  const sizes = Object.entries(rules).map(([name, rule]) => {
    const size = options[name] === undefined ? rule.fallback : options[name];
    return [name, checkSize(`${kind}.${name}`, size, rule)];
  });
  return Object.fromEntries(sizes) as Sizes<K>;
}

/** Returns `given` when it is an object that has no property but `known`. */
export function checkRecord(thing: string, given: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const example = known.map((name) => `${name}: …`).join(', ');
    return refuse(`${thing} options`, spell(given), `an object {${example}}`, 'Name each size.');
  }
  return withoutStrangers(`${thing} option`, given, known);
}

/** Returns `given`, which has no property but `known`. */
export function withoutStrangers(thing: string, given: object, known: readonly string[]): Record<string, unknown> {
  for (const name of Object.keys(given)) if (!known.includes(name)) refuseName(thing, name, known);
  return given as Record<string, unknown>;
}

/** Refuses a name that is not in `known` and says which it may have been meant to be. */
export function refuseName(thing: string, name: string, known: readonly string[]): never {
  const near = nearestName(name, known);
  const expected = known.length === 0 ? 'none' : `${known.length > 1 ? 'one of ' : ''}${known.join(', ')}`;
  return refuse(
    thing,
    spell(name),
    expected,
    near === undefined ? 'Check its spelling, or leave it out.' : `Did you mean ${near}?`,
  );
}

/** A value as an error message shows it: short, and never mistaken for another. */
export function spell(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'function') return 'a function';
  if (isPromise(value)) return 'a promise';
  if (typeof value === 'object' && value !== null) return 'an object';
  return Object.is(value, -0) ? '-0' : String(value);
}
