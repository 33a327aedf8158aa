import type {Sliced} from '../../support/index.js';

/** A page drops no frame at 60 a second for 8 ms of script; what lies between two yields comes on top of this. */
const SLICE_MS = 5;

/** What the work comes to, with turns for the page between its slices. */
export async function inSlices<T>(work: Sliced<T>): Promise<T> {
  for (let end = performance.now() + SLICE_MS; ;) {
    const {done, value} = work.next();
    if (done) return value;
    if (performance.now() < end) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    end = performance.now() + SLICE_MS;
  }
}
