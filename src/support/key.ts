/**
 * A text that two records share exactly when they hold the same, whatever the order of their entries. Keys of caches are made from whole
 * records by this, so that a field that is added to one cannot be forgotten. An entry that is undefined counts as missing.
 */
export function keyOf(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(keyOf).join()}]`;
  // A loop: every call of sparseAttention makes two keys, and a chain of array methods takes twice as long.
  let text = '';
  for (const name of Object.keys(value).sort()) {
    const entry = (value as Record<string, unknown>)[name];
    if (entry !== undefined) text += `${name}:${keyOf(entry)},`;
  }
  return `{${text}}`;
}
