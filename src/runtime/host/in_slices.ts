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

/** What is made once, in slices, and kept by name. */
export interface Kept<T> {
  get(name: string): T | undefined;
  set(name: string, made: T): T;
}

/** The same, kept; who asks for what is being made waits for that. `coming`: what is being made. */
export async function keptInSlices<T>(
  kept: Kept<T>,
  coming: Map<string, Promise<T>>,
  name: string,
  work: () => Sliced<T>,
): Promise<T> {
  const known = kept.get(name) ?? coming.get(name);
  if (known !== undefined) return known;
  const making = inSlices(work());
  coming.set(name, making);
  try {
    const made = await making;
    // A call that could not wait may have made it meanwhile, and has it in use.
    return kept.get(name) ?? kept.set(name, made);
  } finally {
    coming.delete(name);
  }
}
