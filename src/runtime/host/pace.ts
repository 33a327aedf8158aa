import {dispatchMs} from './flags.js';
import {waitFor} from './wait.js';

/** Of a device that has not run anything long: phones take a hundred times longer than the reference, and a watchdog waits 8 times longer than we. */
const FIRST_GUESS = {hardware: 32, software: 4};
/** Stretches of work that count. The first may hold the compilation of a kernel, any of them what others compute. */
const STRETCHES = 4;
/** Milliseconds after which a stretch counts though more waits. */
const LONGEST_STRETCH = 2000;
/** What takes less than this share of a dispatch is not looked at: it would be timed with all that surrounds it. */
const WORTH_TIMING = 1 / 8;

/** How long a device takes for what plans predict, learned from its long calls. */
export class Pace {
  readonly #queue: GPUQueue;
  readonly #found: number[] = [];
  #slowness: number;
  /** Submits that wait. */
  #waiting = 0;
  /** Of the stretch of work that goes on: its begin, and what was predicted of what is done. */
  #since = 0;
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
    return ms > this.most * WORTH_TIMING;
  }

  /** So many predicted milliseconds of work were submitted. Learns how long they take, the work before them included where that is unknown. */
  submitted(ms: number): void {
    if (this.#waiting++ === 0) this.#begin();
    const finished = (): void => {
      this.#waiting--;
      this.#predicted += ms;
      const took = performance.now() - this.#since;
      if (this.#waiting > 0 && took < LONGEST_STRETCH) return;
      this.#learn(took / this.#predicted);
      this.#begin();
    };
    // A lost device tells of itself at the next call.
    waitFor(this.#queue, this.#queue.onSubmittedWorkDone()).then(finished, () => undefined);
  }

  #begin(): void {
    this.#since = performance.now();
    this.#predicted = 0;
  }

  /** No stretch is shorter than its work, so the shortest says most. */
  #learn(slowness: number): void {
    this.#found.push(slowness);
    if (this.#found.length > STRETCHES) this.#found.shift();
    this.#slowness = 2 ** Math.ceil(Math.log2(Math.min(...this.#found)));
  }
}
