import {findFirefox, whyNoFirefox} from '../../../scripts/firefox.mjs';
import {runSpecFiles} from '../../../scripts/spec_files.mjs';
import {count} from '../../../scripts/steps.mjs';
import {listenToPages} from '../../../scripts/told_pages.mjs';

type Message = Record<string, unknown>;

/** What a page of `file` does instead of running specs in a browser. */
type Page = (
  tell: (message: Message) => Promise<unknown>,
  browser: {exit: (how: string) => void; crash: () => void},
) => Promise<void>;

const passed = (name: string): Message => ({kind: 'spec', name, status: 'passed', failures: []});
const failed = (name: string): Message => ({kind: 'spec', name, status: 'failed', failures: ['Expected 1 to be 2.\nat a.ts:3']});

const PAGES: Record<string, Page> = {
  'right.test.ts': async (tell) => {
    await tell({kind: 'console', text: 'said by the way'});
    await tell({kind: 'started', name: 'a'});
    await tell(passed('a'));
    await tell(passed('b'));
    await tell({...passed('c'), status: 'pending'});
    await tell({kind: 'done'});
  },
  'wrong.test.ts': async (tell) => {
    await tell({kind: 'console', text: 'said by the way'});
    await tell(passed('a'));
    await tell(failed('it adds'));
    await tell({kind: 'failure', text: 'beforeAll broke'});
    await tell({kind: 'done'});
  },
  'hung.test.ts': async (tell) => {
    await tell(passed('a'));
    await tell({kind: 'started', name: 'the one that hangs'});
  },
  'crashed.test.ts': async (tell, {crash}) => {
    await tell({kind: 'started', name: 'the one that crashes'});
    crash();
  },
  'ended.test.ts': async (tell, {exit}) => {
    await tell(passed('a'));
    exit('Firefox ended by itself (SIGSEGV). ');
  },
  'empty.test.ts': async (tell) => void (await tell({kind: 'done'})),
};

async function run(files: readonly string[]): Promise<{sum: unknown; lines: string[]; closed: number}> {
  const lines: string[] = [];
  let closed = 0;
  const open = (url: string): {ended: Promise<string>; close: () => Promise<void>} => {
    const {origin, searchParams} = new URL(url);
    const tell = (message: Message): Promise<unknown> => fetch(`${origin}/tell`, {method: 'POST', body: JSON.stringify(message)});
    let exit!: (how: string) => void;
    const ended = new Promise<string>((resolve) => (exit = resolve));
    const life = new AbortController();
    const alive = fetch(`${origin}/alive`, {signal: life.signal});
    alive
      .then(() => PAGES[searchParams.get('file')!]!(tell, {exit, crash: () => life.abort()}))
      .catch((error: Error) => expect(error.name).toBe('AbortError'));
    return {
      ended,
      close: async () => {
        closed++;
        life.abort();
      },
    };
  };
  const print = (line: string): number => lines.push(line);
  const sum = await runSpecFiles(files, {open, serve: () => undefined, silence: 1.5, print});
  return {sum, lines, closed};
}

describe('files of specs, each in a browser of its own', () => {
  it('have a line each, then the sum that npm test reads', async () => {
    const {sum, lines, closed} = await run(['right.test.ts', 'right.test.ts']);
    expect(sum).toEqual({specs: 6, failed: 0, pending: 2});
    expect(lines.slice(0, -1)).toEqual([jasmine.stringMatching(/^✓ right\.test\.ts +3 specs/), jasmine.stringMatching(/^✓ right/)]);
    expect(lines.at(-1)).toBe('\n6 specs, 0 failures, 2 pending specs');
    expect(count(lines.join('\n'), true)).toEqual({passed: 4, failed: 0});
    expect(closed).toBe(2);
  });

  it('say what failed, also outside of specs', async () => {
    const {lines} = await run(['wrong.test.ts']);
    expect(lines.join('\n')).toMatch(
      /^✗ wrong\.test\.ts .*\n {4}console: said by the way\n {4}it adds\n {6}Expected 1 to be 2\.\n {6}at a\.ts:3\n {4}beforeAll broke\n/,
    );
    expect(count(lines.join('\n'), false)).toEqual({passed: 1, failed: 2});
  });

  const broken: [string, RegExp][] = [
    ['hung.test.ts', /hung: not a word for 1\.5 seconds\n.*It was at: the one that hangs/],
    ['crashed.test.ts', /crashed: the page's process is gone\n.*It was at: the one that crashes/],
    ['ended.test.ts', /Firefox ended by itself \(SIGSEGV\)/],
    ['empty.test.ts', /no specs ran/],
  ];
  for (const [file, words] of broken) {
    it(`go on after ${file}, which counts as one failure`, async () => {
      const {lines, closed} = await run([file, 'right.test.ts']);
      expect(lines.join('\n')).toMatch(words);
      expect(lines[0]).toMatch(new RegExp(`^✗ ${file} .*1 failed`));
      expect(lines).toContain(jasmine.stringMatching(/^✓ right/));
      expect(count(lines.join('\n'), false).failed).toBe(1);
      expect(closed).toBe(2);
    });
  }
});

describe('a server of pages', () => {
  it('answers with what went wrong, and goes on', async () => {
    let calls = 0;
    const {address, close} = await listenToPages(async (_, response) => {
      if (calls++ === 0) throw new Error('no such page');
      response.end('a page');
    });
    try {
      const first = await fetch(address);
      expect([first.status, await first.text()]).toEqual([500, 'Error: no such page']);
      expect(await (await fetch(address)).text()).toBe('a page');
    } finally {
      close();
    }
  });
});

describe('where there is no Firefox', () => {
  const {PATH, FIREFOX_BIN} = process.env;
  afterEach(() => {
    process.env.PATH = PATH;
    if (FIREFOX_BIN === undefined) delete process.env.FIREFOX_BIN;
    else process.env.FIREFOX_BIN = FIREFOX_BIN;
  });

  it('says what to install', () => {
    process.env.PATH = '/nowhere';
    process.env.FIREFOX_BIN = '/nowhere/firefox';
    expect(whyNoFirefox()).toBe('No Firefox: FIREFOX_BIN names /nowhere/firefox, which is no program.');
    if (process.platform !== 'linux') return;
    delete process.env.FIREFOX_BIN;
    expect(() => findFirefox()).toThrowError(/^No Firefox: .*apt-get install firefox-esr mesa-vulkan-drivers$/);
  });
});
