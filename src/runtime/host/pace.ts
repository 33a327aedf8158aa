import {dispatchMs} from './flags.js';
import {waitFor} from './wait.js';

/** Of a device that has not run anything long: phones take a hundred times longer than the reference, and a watchdog waits 8 times longer than we. */
const FIRST_GUESS = {hardware: 32, software: 4};
const SLOWNESS = {least: 1 / 8, most: 2 ** 20};
/** Stretches of work that count. The first may hold the compilation of a kernel, any of them what others compute. */
const STRETCHES = 4;
/** How much faster than it was taken for a single stretch may show a device. */
const MOST_FASTER = 4;
/**
 * Milliseconds that a stretch must have to say something, for the page's clock may be coarse and answers are told late; and after which it
 * counts though more waits.
 */
const STRETCH_MS = {least: 10, most: 2000};
/** What takes less than this share of a dispatch is not looked at: it would be timed with all that surrounds it. */
const WORTH_TIMING = 1 / 8;
/** Predicted milliseconds that are always looked at, so that no guess is kept for ever. */
const ALWAYS_TIMED = 30;

/** How long a device takes for what plans predict, learned from its long calls. */
export class Pace {
  readonly #queue: GPUQueue;
  readonly #found: number[] = [];
  #slowness: number;
  /** Submits that wait. */
  #waiting = 0;
  /** Of the stretch of work that goes on: its begin, whether nothing waited then, and what was predicted of what is done. */
  #since = 0;
  #isWhole = true;
  #predicted = 0;

  constructor(queue: GPUQueue, software: boolean) {
    this.#queue = queue;
    this.#slowness = software ? FIRST_GUESS.software : FIRST_GUESS.hardware;
  }

  /** Predicted milliseconds that a dispatch may take here. Steps of two, so that launches are rarely cut anew. */
  get most(): number {
    return dispatchMs() / this.#slowness;
  }

  /** Whether so many predicted milliseconds are worth a submit of their own, to learn from. */
  isLong(ms: number): boolean {
    if (ms <= 0) return false;
    const {most} = this;
    return most < Infinity && ms > Math.min(most * WORTH_TIMING, ALWAYS_TIMED);
  }

  /** So many predicted milliseconds of work were submitted. Learns how long they take, the work before them included where that is unknown. */
  submitted(ms: number): void {
    if (this.#waiting++ === 0) this.#begin(true);
    const finished = (): void => {
      this.#waiting--;
      this.#predicted += ms;
      const took = performance.now() - this.#since;
      if (this.#waiting > 0 && took < STRETCH_MS.most) return;
      // One that began while others waited may have begun earlier: a page that stood still hears of all that was done meanwhile at once.
      const isTimed = took >= (this.#isWhole ? STRETCH_MS.least : STRETCH_MS.most);
      if (isTimed && this.#predicted > 0) this.#learn(took / this.#predicted);
      this.#begin(this.#waiting === 0);
    };
    // A lost device tells of itself at the next call.
    waitFor(this.#queue, this.#queue.onSubmittedWorkDone()).then(finished, () => this.#waiting--);
  }

  #begin(isWhole: boolean): void {
    this.#since = performance.now();
    this.#isWhole = isWhole;
    this.#predicted = 0;
  }

  /** Whole stretches are no shorter than their work, so the shortest says most. */
  #learn(slowness: number): void {
    this.#found.push(Math.max(slowness, this.#slowness / MOST_FASTER));
    if (this.#found.length > STRETCHES) this.#found.shift();
    const found = 2 ** Math.ceil(Math.log2(Math.min(...this.#found)));
    this.#slowness = Math.min(SLOWNESS.most, Math.max(SLOWNESS.least, found));
  }
}
