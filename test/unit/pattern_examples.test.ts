import {readdirSync, readFileSync} from 'node:fs';
import * as patterns from '../../src/pattern/index.js';

const room = new URL('../../src/pattern/', import.meta.url);

/** The code of every `@example` in a source file, without the stars of its comment. */
function examplesIn(source: string): string[] {
  const blocks = source.matchAll(/@example\n(?<code>(?:\s*\*(?!\/).*\n)+)/g);
  return Array.from(blocks, (block) => block.groups!.code!.replace(/^\s*\* ?/gm, '').trim());
}

/** Runs an example; each of its lines `value; // expected` is an expectation. */
function runExample(code: string): void {
  const body = code.replace(/^(?<value>.+); \/\/ (?<expected>.+)$/gm, 'same(($<value>), ($<expected>));');
  expect(body).withContext('an example says what it gives').toContain('same(');
  const same = (found: unknown, expected: unknown) => expect(found).withContext(code).toEqual(expected);
  new Function('same', ...Object.keys(patterns), body)(same, ...Object.values(patterns));
}

describe('the examples of the pattern room', () => {
  const examples = readdirSync(room).flatMap((file) => examplesIn(readFileSync(new URL(file, room), 'utf8')));

  it('are found', () => expect(examples.length).toBeGreaterThan(15));

  it('give what they say', () => examples.forEach(runExample));
});
