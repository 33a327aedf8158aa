/**
 * The words of a mask: all of them, or the runs of equal words that a text wrote, as short as the text. Forty characters of text may say
 * 65,536 × 65,536 pairs, so nobody makes 512 MiB of them: rows are read one at a time.
 */
export class MaskWords {
  readonly length: number;

  private constructor(
    /** All words, or null where only runs are at hand. */
    readonly all: Uint32Array | null,
    private readonly words: ArrayLike<number>,
    /** Where each run ends; run i holds `words[i]`. Empty beside `all`. */
    private readonly ends: ArrayLike<number>,
  ) {
    this.length = all === null ? (ends[ends.length - 1] ?? 0) : all.length;
  }

  static of(all: Uint32Array): MaskWords {
    return new MaskWords(all, all, []);
  }

  /** Run i is `words[i]`, up to `ends[i]`, which ascend. Runs that are longer than what they say become words. */
  static ofRuns(words: readonly number[], ends: readonly number[]): MaskWords {
    const length = ends[ends.length - 1] ?? 0;
    const runs = new MaskWords(null, Uint32Array.from(words), Uint32Array.from(ends));
    if (2 * words.length < length) return runs;
    const all = new Uint32Array(length);
    runs.read(0, all);
    return MaskWords.of(all);
  }

  at(index: number): number {
    return this.all === null ? this.words[this.runAt(index)]! : this.all[index]!;
  }

  /** The words from `first` on, as many as `out` takes. */
  read(first: number, out: Uint32Array): void {
    if (this.all !== null) return out.set(this.all.subarray(first, first + out.length));
    let run = this.runAt(first);
    for (let end = 0; end < out.length; run++)
      out.fill(this.words[run]!, end, (end = Math.min(this.ends[run]! - first, out.length)));
  }

  /** Calls `each` with every run of equal words. */
  forEachRun(each: (word: number, begin: number, end: number) => void): void {
    const {all, words, ends, length} = this;
    for (let begin = 0, end = 0, run = 0; begin < length; begin = end) {
      if (all === null) end = ends[run++]!;
      else while (end < length && all[end] === all[begin]) end++;
      each(words[all === null ? run - 1 : begin]!, begin, end);
    }
  }

  /** Whether two masks of one shape are the same, both with all their words. */
  equals({all}: MaskWords): boolean {
    if (this.all === null || all === null || all.length !== this.all.length) return false;
    for (let word = 0; word < all.length; word++) if (all[word] !== this.all[word]) return false;
    return true;
  }

  /** Hexadecimal, a run of equal words as `0xff*12`. Exact, and what `readMask` reads. */
  toString(): string {
    const runs: string[] = [];
    this.forEachRun((word, begin, end) => {
      const text = `0x${word.toString(16)}`;
      runs.push(end - begin > 1 ? `${text}*${end - begin}` : text);
    });
    return runs.join(' ');
  }

  toJSON(): string {
    return this.toString();
  }

  /** The first run that ends after `index`. */
  private runAt(index: number): number {
    let [low, high] = [0, this.ends.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.ends[middle]! > index) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
