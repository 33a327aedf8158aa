import {readFileSync} from 'node:fs';

/** The code blocks of one language in a Markdown file, in order. */
export function blocksOf(file: string, language = 'ts'): string[] {
  // Blocks inside lists are indented, and so is their end.
  const blocks = readFileSync(file, 'utf8').matchAll(new RegExp(`^( *)\`\`\`${language}\\n([\\s\\S]*?)^\\1\`\`\``, 'gm'));
  return [...blocks].map(([, , code]) => code!);
}
