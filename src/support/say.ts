/** A value as an error message shows it. */
export function say(given: unknown): string {
  if (typeof given === 'string') return `the text '${given.length > 60 ? `${given.slice(0, 60)}…` : given}'`;
  if (Array.isArray(given)) return 'an array';
  if (typeof given === 'function') return given.name === '' ? 'a function' : `the function ${given.name}`;
  if (typeof given === 'bigint') return `${given}n`;
  return typeof given === 'object' && given !== null ? 'an object' : String(given);
}
