/**
 * Replaces what stands between a section's marks. A section that is not there yet comes after the section `after`, or at the end.
 */
export function replaceSection(document: string, name: string, text: string, after?: string): string {
  const [begin, end] = marks(name);
  const section = `${begin}\n\n${text}\n\n${end}`;
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from >= 0 && to > from) return document.slice(0, from) + section + document.slice(to + end.length);
  const behind = after === undefined ? -1 : document.indexOf(marks(after)[1]);
  if (behind < 0) return `${document.trimEnd()}\n\n${section}\n`;
  const at = behind + marks(after!)[1].length;
  return `${document.slice(0, at)}\n\n${section}${document.slice(at)}`;
}

const marks = (name: string): readonly [string, string] => [`<!-- results: ${name} -->`, `<!-- end of results: ${name} -->`];
