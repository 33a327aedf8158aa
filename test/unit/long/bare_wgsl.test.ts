import {rollup, type Plugin} from 'rollup';
import esbuild from 'rollup-plugin-esbuild';
import {bareWgsl} from '../../../scripts/script_tags.mjs';
import * as direct from '../../support/every_program.js';

/** WGSL without comments, and with one space where there was any. Names of programs have a hash of their text. */
const normal = (text: string): string =>
  text
    .replace(/[ \t]*\/\/.*$/gm, '')
    .replace(/-[0-9a-z]{6,12}\b/g, '')
    .replace(/\s+/g, ' ')
    .trim();

/** The same module after the plugin that script tags are built with. */
async function built(): Promise<typeof direct> {
  const plugins = [esbuild({target: 'es2022', tsconfig: false}), bareWgsl() as Plugin];
  const treeshake = {moduleSideEffects: 'no-external'} as const;
  const build = await rollup({input: 'test/support/every_program.ts', plugins, treeshake, external: /^@tensorflow/});
  const {output} = await build.generate({format: 'es', inlineDynamicImports: true});
  return (await import(`data:text/javascript,${encodeURIComponent(output[0].code)}`)) as typeof direct;
}

describe('the WGSL of the script tags', () => {
  let programs: Map<string, string>;

  beforeAll(async () => {
    programs = (await built()).everyProgram();
  });

  it('is that of the modules without comments and indentation', () => {
    const originals = direct.everyProgram();
    expect(originals.size).toBeGreaterThan(40);
    expect([...programs.keys()]).toEqual([...originals.keys()]);
    for (const [name, text] of originals)
      expect(normal(programs.get(name)!))
        .withContext(name)
        .toBe(normal(text));
  });

  it('has fewer comments', () => {
    const comments = (texts: Iterable<string>): number => [...texts].join('\n').match(/\/\//g)!.length;
    expect(comments(programs.values())).toBeLessThan(0.9 * comments(direct.everyProgram().values()));
  });

  it('keeps a line whose end is written as an escape', () => {
    const {transform} = bareWgsl() as unknown as {
      transform(this: {parse(code: string): unknown}, code: string, id: string): {code: string} | null;
    };
    const id = new URL('../../../src/wgsl/attend/attend.ts', import.meta.url).pathname;
    const parse = (): unknown => ({type: 'TemplateElement', start: 1, end: 24});
    expect(transform.call({parse}, '`a // b\\nc\n  d // e\n f`;;', id)!.code).toBe('`a\\nc\nd\nf`;;');
    expect(transform.call({parse}, 'code', '/elsewhere.ts')).toBeNull();
  });
});
