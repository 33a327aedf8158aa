import {readFileSync} from 'node:fs';
import {decisionsOf, objections, withIndex} from '../../scripts/decisions.mjs';

const page = (text: string): string => `# Decisions\n\n<!-- index: npm run decisions -->\n<!-- end of index -->\n\n${text}\n`;
const faults = (text: string): string[] => objections(decisionsOf(page(text)));

describe('docs/decisions.md', () => {
  const text = readFileSync('docs/decisions.md', 'utf8');
  const decisions = decisionsOf(text);

  it('says of each decision since when, and whether it is in force', () => {
    expect(objections(decisions)).toEqual([]);
    expect(decisions.length).toBeGreaterThan(90);
    // Nothing in bold escapes: each paragraph that begins so is one of them.
    expect(decisions.length).toBe(text.match(/^\*\*/gm)!.length);
  });

  it('has the index that its text asks for', () => {
    expect(withIndex(text) === text)
      .withContext('run npm run decisions and look at the diff')
      .toBeTrue();
  });
});

describe('an index of decisions', () => {
  it('has the states and dates of the text', () => {
    const text = page(
      '## Tiles (2026-11-20)\n\n**Small tiles.** _(replaced by "Large tiles")_ They were.\n\n' +
        '**Large tiles**, _(2026)_ as\n\n**Odd\ntiles.** _(2026-11-29; in part replaced\nby "Large tiles")_\n\n## Speed (2026-11-30)\n\n**It is fast:** _(a result)_',
    );
    expect(objections(decisionsOf(text))).toEqual([]);
    expect(withIndex(text)).toContain(
      [
        '| decision | since | state |',
        '|---|---|---|',
        '| **[Tiles](#tiles-2026-11-20)** | | |',
        '| Small tiles | 2026-11-20 | replaced by "Large tiles" |',
        '| Large tiles | 2026-11-20 | in force |',
        '| Odd tiles | 2026-11-29 | in part replaced by "Large tiles" |',
        '| **[Speed](#speed-2026-11-30)** | | |',
        '| It is fast | 2026-11-30 | a result |',
        '<!-- end of index -->',
      ].join('\n'),
    );
    expect(withIndex(withIndex(text))).toBe(withIndex(text));
  });

  it('refuses what would rot', () => {
    expect(faults('## Tiles\n\n**Small tiles.** They are.')).toEqual(['"Small tiles" has no date, and neither has its section.']);
    expect(faults('## Tiles (2026-11-20)\n\n**Small tiles.** _(replaced by "Huge tiles")_')).toEqual([
      '"Small tiles" is replaced by "Huge tiles", which is not there.',
    ]);
    expect(faults('## Tiles (2026-11-20)\n\n**Small tiles.** _(replaced by "Small tiles")_')).toEqual([
      '"Small tiles" is replaced by itself.',
    ]);
    expect(faults('## Tiles (2026-11-20)\n\n**Small tiles.** _(obsolete)_')).toEqual([
      `"Small tiles" is 'obsolete': say a result, open, replaced by "…" or in part replaced by "…".`,
    ]);
    expect(faults('## Tiles (2026-11-20)\n\n**Small tiles.** a\n\n**Small tiles.** b')).toEqual([
      'Two decisions are called "Small tiles".',
    ]);
  });
});
