import {readdirSync, readFileSync} from 'node:fs';

/** Where each name is exported that is declared there, not passed on. */
function owners(files: ReadonlyMap<string, string>): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [path, text] of files) {
    const names = [...text.matchAll(/^export (?:abstract |async )*(?:const|function|class|interface|type)\s+(\w+)/gm)];
    // Overloads, and a type beside a value of its name, are one.
    for (const name of new Set(names.map(([, name]) => name!))) found.set(name, [...(found.get(name) ?? []), path]);
  }
  return found;
}

const shared = (files: ReadonlyMap<string, string>): string[] =>
  [...owners(files)].filter(([, paths]) => paths.length > 1).map(([name, paths]) => `${name}: ${paths.join(', ')}`);

describe('exported names of src', () => {
  it('have one owner each: a name that means two things is looked up twice', () => {
    const paths = readdirSync('src', {recursive: true, encoding: 'utf8'}).filter((path) => path.endsWith('.ts'));
    const files = new Map(paths.map((path) => [path, readFileSync(`src/${path}`, 'utf8')]));
    expect(shared(files)).withContext('rename one of them').toEqual([]);
    expect(owners(files).size).toBeGreaterThan(500);
  });

  it('are told apart from what a door passes on', () => {
    const files = new Map([
      ['a.ts', 'export interface Step {}\nexport const one = 1;\nexport function two(): void;\nexport function two(): void {}'],
      ['b.ts', 'export type Step = 1;\nconst one = 2;'],
      ['index.ts', "export {one, type Step} from './a.js';"],
    ]);
    expect(shared(files)).toEqual(['Step: a.ts, b.ts']);
  });
});
