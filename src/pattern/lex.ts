import {refuse, SplatError} from '../support/index.js';
import {spell} from './sizes.js';

/** A piece of pattern text. `text` is lower-case; `at` is its column, from 0. */
export interface Token {
  readonly kind: (typeof KINDS)[number];
  readonly text: string;
  readonly at: number;
}

// Spaces, then one of: words of a mask as `0xff*12`; a name; a number, also a wrong one (the builders say why); a mark; the end.
const TOKEN =
  /\s*(?:(?<bits>0x[0-9a-f]+(?:\s*\*\s*\d+)?)|(?<word>[a-z_]\w*)|(?<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)|(?<mark>[()[\],:])|(?<end>$))/iy;

/** A number of a list that is not the last. */
const ENTRY = /\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*,/iy;

const KINDS = ['bits', 'word', 'number', 'mark', 'end'] as const;

const CURES: Readonly<Record<string, string>> = {
  '|': 'Write or.',
  '&': 'Write and.',
  '!': 'Write not.',
  '~': 'Write not.',
  '=': 'Write a colon.',
};

/** Pattern text as tokens, one ahead. */
export class Tokens {
  readonly #text: string;
  #ahead: Token | undefined;
  #end = 0;

  constructor(text: string) {
    this.#text = text;
  }

  peek(): Token {
    return (this.#ahead ??= this.#read());
  }

  next(): Token {
    const token = this.peek();
    this.#ahead = undefined;
    return token;
  }

  /** Takes the next token, which must be `mark`. */
  take(mark: string, cure: string): Token {
    const token = this.next();
    return token.text === mark ? token : this.refuse(token, spell(mark), cure);
  }

  /** Takes the next token when it is `mark`. */
  skip(mark: string): boolean {
    const found = this.peek().text === mark;
    if (found) this.next();
    return found;
  }

  /**
   * Takes the numbers ahead that a comma follows, into `list`, and where each begins, into `columns`: tokens of lists one by one would take
   * 4 s for a million of them.
   */
  takeEntries(list: number[], columns: number[]): void {
    if (this.#ahead !== undefined) return;
    ENTRY.lastIndex = this.#end;
    for (let match = ENTRY.exec(this.#text); match !== null; match = ENTRY.exec(this.#text)) {
      columns.push(this.#end);
      list.push(Number(match[1]));
      this.#end = ENTRY.lastIndex;
    }
  }

  /** The first column from `column` on that holds something. */
  skipSpace(column: number): number {
    const space = this.#text.slice(column).search(/\S/);
    return space < 0 ? column : column + space;
  }

  refuse(found: Token, expected: string, cure: string): never {
    const what = found.kind === 'end' ? 'the end' : spell(found.text);
    return this.at(found.at, () => refuse('pattern text', `${what} at column ${found.at + 1}`, expected, cure));
  }

  /** What `make` returns; the errors it throws point at a column of the text. */
  at<T>(column: number | ((thing: string) => number), make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof SplatError)) throw error;
      const at = typeof column === 'number' ? column : column(error.thing);
      throw new SplatError({thing: error.thing, found: error.found, expected: error.expected, cure: error.cure + this.#caret(at)});
    }
  }

  #read(): Token {
    TOKEN.lastIndex = this.#end;
    const match = TOKEN.exec(this.#text);
    if (match === null) return this.#refuseCharacter();
    const kind = KINDS.find((kind) => match.groups![kind] !== undefined)!;
    const text = match.groups![kind]!;
    this.#end = TOKEN.lastIndex;
    return {kind, text: text.toLowerCase().replace(/\s/g, ''), at: this.#end - text.length};
  }

  #refuseCharacter(): never {
    const at = this.#end + this.#text.slice(this.#end).search(/\S/);
    const character = String.fromCodePoint(this.#text.codePointAt(at)!);
    const token = {kind: 'mark', text: character, at} as const;
    return this.refuse(token, 'a name, a number or one of ( ) [ ] , :', CURES[character] ?? 'Remove it.');
  }

  /** The text around a column with a caret below it. */
  #caret(column: number): string {
    const first = Math.max(0, column - 60);
    const excerpt = this.#text.slice(first, column + 40).replace(/\s/g, ' ');
    const lead = first > 0 ? '…' : '';
    const tail = column + 40 < this.#text.length ? '…' : '';
    return `\n  ${lead}${excerpt}${tail}\n  ${' '.repeat(lead.length + column - first)}^`;
  }
}
