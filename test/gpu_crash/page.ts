import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgpu';
import {causal, createWebGPUBackend, sparseAttention} from '../../src/index.js';

/** What scripts/test_gpu_crash.mjs reads. */
export interface Page {
  /** What `onLost` was told, in JSON. */
  losses: string[];
  /** A line for each start: what attention gave, or why there was none. */
  starts: string[];
  /** What comes of using the output of the first start. */
  useOld?: () => string;
}
const page: Page = {losses: [], starts: []};
Object.assign(globalThis, {page});

/** As docs/backend.md has it; an adapter may take a moment to come back. */
async function start(): Promise<void> {
  const {name} = await createWebGPUBackend({
    onLost: (loss) => {
      page.losses.push(JSON.stringify(loss));
      // It keeps its errors in `page.starts`.
      void restart(5);
    },
  });
  await tf.setBackend(name);
  // Equal scores: each query gives the mean of the values so far.
  const [query, value] = [tf.zeros([1, 4, 1]), tf.tensor3d([1, 2, 3, 4], [1, 4, 1])];
  const output = sparseAttention(query, query, value, causal());
  page.useOld ??= () => {
    try {
      return `gave ${tf.mul(output, 1).shape.join()}`;
    } catch (error) {
      return String(error);
    }
  };
  page.starts.push(Array.from(await tf.mul(output, 1).data()).join(' '));
}

async function restart(tries: number): Promise<void> {
  try {
    await start();
  } catch (error) {
    if (tries === 1) page.starts.push(String(error));
    else setTimeout(() => void restart(tries - 1), 500);
  }
}

// The script that opened the page reads what comes of it.
void restart(1);
