/** Those who wait for the answers of one queue. */
interface Waiting {
  count: number;
  /** When the last of them began to, on the clock of `performance`. */
  since: number;
  nudged: boolean;
}

/** The longest pause. A pause is also at most a 32nd of the wait so far, so that what is timed is not rounded to pauses. */
const PAUSE_MS = 4;

/** How long a loss may take to be told, after work on the device has failed of it. Firefox takes 100 ms, on a quiet machine. */
const TELLING_MS = 2000;

const queues = new WeakMap<GPUQueue, Waiting>();

/**
 * Gives what `work` comes to, and keeps the queue moving until then.
 *
 * Firefox looks at its GPU every 100 ms, and whenever something is submitted: a read that is done after 1 ms is told after 100, and
 * `tune` cannot tell kernels apart. With an empty submit now and then it is told after 1 to 2 ms. Browsers that tell at once pay 36 µs for
 * each (Chromium; Firefox 9).
 */
export async function waitFor<T>(queue: GPUQueue, work: Promise<T>): Promise<T> {
  let waiting = queues.get(queue);
  if (waiting === undefined) queues.set(queue, (waiting = {count: 0, since: 0, nudged: false}));
  waiting.count++;
  waiting.since = performance.now();
  if (!waiting.nudged) nudge(queue, waiting);
  try {
    return await work;
  } finally {
    waiting.count--;
  }
}

/** Submits nothing, again and again, until nobody waits. */
function nudge(queue: GPUQueue, waiting: Waiting): void {
  waiting.nudged = true;
  let channel: MessageChannel | undefined;
  const pause = (): void => {
    setTimeout(step, Math.min(PAUSE_MS, Math.max(1, (performance.now() - waiting.since) / 32)));
  };
  const step = (): void => {
    if (waiting.count === 0) {
      waiting.nudged = false;
      // An open port keeps Node from ending.
      channel?.port1.close();
      return;
    }
    queue.submit([]);
    // Browsers let no timer that a timer has started run before 4 ms are over. One that a message has started may.
    if (channel === undefined) {
      channel = new MessageChannel();
      channel.port1.onmessage = pause;
    }
    channel.port2.postMessage(null);
  };
  pause();
}

/** After work on the device has failed, which may be of a loss: that is told later, in Firefox 100 ms. On a living device returns at once. */
export async function untilLossIsTold(device: GPUDevice): Promise<void> {
  // Only a lost device refuses to map memory. In Firefox it also complains of that, to whoever listens.
  device.pushErrorScope('validation');
  const buffer = device.createBuffer({size: 16, usage: GPUBufferUsage.MAP_READ});
  const mapped = waitFor(device.queue, buffer.mapAsync(GPUMapMode.READ));
  device.popErrorScope().catch(() => null);
  try {
    await mapped;
  } catch {
    await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, TELLING_MS))]);
  } finally {
    buffer.destroy();
  }
}
