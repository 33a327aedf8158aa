import {readdirSync, readFileSync} from 'node:fs';
import {waitFor} from '../../src/runtime/host/wait.js';

/** As Firefox: an answer that is ready is told at the next submit, or by the clock. */
function slowQueue(clock: number): {queue: GPUQueue; submits: number[]; ask: (ready: number) => Promise<string>} {
  const submits: number[] = [];
  const asked = new Set<{ready: number; tell: (answer: string) => void}>();
  const look = (): void => {
    for (const each of asked) {
      if (performance.now() < each.ready) continue;
      asked.delete(each);
      each.tell('done');
    }
  };
  const queue = {
    submit: (commands: unknown[]) => {
      expect(commands).toEqual([]);
      submits.push(performance.now());
      look();
    },
  };
  const ask = (ready: number): Promise<string> =>
    new Promise((tell) => {
      asked.add({ready: performance.now() + ready, tell});
      setTimeout(look, clock);
    });
  return {queue: queue as unknown as GPUQueue, submits, ask};
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('waiting for a device', () => {
  it('hears soon after the answer is there, and submits nothing more then', async () => {
    const {queue, submits, ask} = slowQueue(2000);
    const start = performance.now();
    // Long enough for a second submit on a machine that is busy.
    expect(await waitFor(queue, ask(200))).toBe('done');
    expect(performance.now() - start).toBeLessThan(1500);
    const before = submits.length;
    expect(before).toBeGreaterThan(1);
    await pause(30);
    expect(submits.length).toBe(before);
  });

  it('submits nothing where the answer is there at once', async () => {
    const {queue, submits} = slowQueue(0);
    for (let i = 0; i < 100; i++) await waitFor(queue, Promise.resolve(i));
    await pause(20);
    expect(submits.length).toBe(0);
  });

  it('keeps one queue moving for all who wait, with pauses of at most about 4 ms', async () => {
    const {queue, submits, ask} = slowQueue(2000);
    const many = Array.from({length: 50}, () => waitFor(queue, ask(100)));
    expect(await Promise.all(many)).toEqual(many.map(() => 'done'));
    // At most one in a millisecond.
    expect(submits.length).toBeLessThanOrEqual(1 + submits.at(-1)! - submits[0]!);
    expect(submits.length).toBeGreaterThan(2);
  });

  it('goes on for those who still wait, and again for those who come later', async () => {
    const {queue, ask} = slowQueue(5000);
    const start = performance.now();
    const long = waitFor(queue, ask(60));
    await waitFor(queue, ask(1));
    await waitFor(queue, ask(1));
    await long;
    await pause(20);
    await waitFor(queue, ask(5));
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('passes on what goes wrong', async () => {
    const {queue, submits} = slowQueue(0);
    await expectAsync(waitFor(queue, Promise.reject(new Error('lost')))).toBeRejectedWithError('lost');
    await pause(10);
    expect(submits.length).toBe(0);
  });

  it('is what everybody does who asks the device, in the package and on the pages', () => {
    const files = ['src', 'demo'].flatMap((folder) =>
      readdirSync(folder, {recursive: true, encoding: 'utf8'}).map((file) => `${folder}/${file}`),
    );
    const asks: string[] = [];
    for (const file of files.filter((name) => name.endsWith('.ts'))) {
      for (const line of readFileSync(file, 'utf8').split('\n')) {
        if (/\.(onSubmittedWorkDone|mapAsync)\(/.test(line)) asks.push(`${file}: ${line.trim()}`);
      }
    }
    expect(asks.length).toBeGreaterThan(4);
    // `outcome` of a host waits so as well.
    expect(asks.filter((ask) => !/(waitFor|outcome)\(/.test(ask))).toEqual([]);
  });
});
