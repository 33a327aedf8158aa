import {at, breathe} from './page.js';

/** Long work: how far it is, and whether it should go on. */
export interface Progress {
  /** Shows the step, lets the browser paint, and throws `Cancelled` when the reader pressed the button meanwhile. */
  step(fraction: number, doing: string): Promise<void>;
}

/** Thrown out of work that the reader stopped. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

/**
 * The bar `#progress`, the line `#step`, which screen readers announce, and the buttons `#run` and `#cancel`. Only one `work` runs at
 * a time.
 */
export class ProgressBar implements Progress {
  private cancelled = false;
  private readonly run = at<HTMLButtonElement>('run');
  private readonly cancel = at<HTMLButtonElement>('cancel');

  constructor() {
    this.cancel.addEventListener('click', () => {
      this.cancelled = true;
      this.show(at<HTMLProgressElement>('progress').value, 'stopping…');
    });
  }

  /** @returns false when the reader stopped it. Other errors are the caller's. */
  async work(task: (progress: Progress) => Promise<void>): Promise<boolean> {
    this.cancelled = false;
    this.running(true);
    try {
      await task(this);
      this.show(1, 'done');
      return true;
    } catch (thrown) {
      if (!(thrown instanceof Cancelled)) {
        this.show(0, 'failed');
        throw thrown;
      }
      this.show(0, 'stopped');
      return false;
    } finally {
      this.running(false);
    }
  }

  async step(fraction: number, doing: string): Promise<void> {
    this.show(fraction, doing);
    await breathe();
    if (this.cancelled) throw new Cancelled();
  }

  private show(fraction: number, doing: string): void {
    at<HTMLProgressElement>('progress').value = fraction;
    at('step').textContent = doing;
  }

  private running(is: boolean): void {
    const hadFocus = document.activeElement === (is ? this.run : this.cancel);
    this.run.hidden = is;
    this.cancel.hidden = !is;
    // The button under the reader's finger went away; its place is taken by the other one.
    if (hadFocus) (is ? this.cancel : this.run).focus();
  }
}
