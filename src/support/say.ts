/** A value as an error message shows it. */
export function say(given: unknown): string {
  if (typeof given === 'string') return `the text '${given.length > 60 ? `${given.slice(0, 60)}…` : given}'`;
  if (Array.isArray(given)) return 'an array';
  if (typeof given === 'function') return given.name === '' ? 'a function' : `the function ${given.name}`;
  if (typeof given === 'bigint') return `${given}n`;
  if (isPromise(given)) return 'a promise';
  return typeof given === 'object' && given !== null ? 'an object' : String(given);
}

/** Whether `given` is what `await` is for. */
export const isPromise = (given: unknown): boolean =>
  typeof given === 'object' && given !== null && typeof (given as {readonly then?: unknown}).then === 'function';

/** The cure for a value of a wrong kind, or the one for a promise. */
export const awaitOr = (given: unknown, cure: string): string => (isPromise(given) ? 'Await it first.' : cure);
