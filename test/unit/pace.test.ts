import * as tf from '@tensorflow/tfjs-core';
import '../../src/index.js';
import {Pace} from '../../src/runtime/host/pace.js';

describe('the pace of a device', () => {
  /** Of `performance`. */
  let now: number;
  /** Ends what was submitted first. */
  let finish: () => Promise<void>;
  let queue: GPUQueue;

  beforeEach(() => {
    now = 1000;
    spyOn(performance, 'now').and.callFake(() => now);
    const waiting: (() => void)[] = [];
    queue = {
      submit: () => undefined,
      onSubmittedWorkDone: () => new Promise<void>((resolve) => waiting.push(resolve)),
    } as unknown as GPUQueue;
    finish = async () => {
      waiting.shift()!();
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    };
  });
  afterEach(() => tf.env().set('SPLAT_DISPATCH_MS', 250));

  /** Work that takes `took` milliseconds where `ms` are predicted. */
  const work = async (pace: Pace, ms: number, took: number): Promise<void> => {
    pace.submitted(ms);
    now += took;
    await finish();
  };

  it('is guessed at first, so that a slow device is cut for', () => {
    expect(new Pace(queue, false).most).toBe(250 / 32);
    expect(new Pace(queue, true).most).toBe(250 / 4);
  });

  it('follows what long calls took, in steps of two, and no faster than fourfold', async () => {
    const pace = new Pace(queue, false);
    await work(pace, 80, 90);
    expect(pace.most).toBe(250 / 8);
    for (let call = 0; call < 3; call++) await work(pace, 80, 90);
    expect(pace.most).toBe(250 / 2);
    for (let call = 0; call < 4; call++) await work(pace, 80, 7000);
    expect(pace.most).toBe(250 / 128);
  });

  it('takes the shortest of four, for others may have used the device', async () => {
    const pace = new Pace(queue, false);
    for (const took of [80, 5000, 5000, 5000]) await work(pace, 10, took);
    expect(pace.most).toBe(250 / 8);
    await work(pace, 10, 4000);
    expect(pace.most).toBe(250 / 512);
  });

  it('times what waits together as one, however late it hears of each', async () => {
    const pace = new Pace(queue, false);
    pace.submitted(10);
    pace.submitted(30);
    now += 640;
    await finish();
    // The second is told at once after the first: it did not take 0 ms.
    await finish();
    expect(pace.most).toBe(250 / 16);
  });

  it('learns while work goes on without end', async () => {
    const pace = new Pace(queue, false);
    for (let call = 0; call < 5; call++) pace.submitted(10);
    now += 1500;
    await finish();
    expect(pace.most).toBe(250 / 32);
    now += 1000;
    await finish();
    expect(pace.most).toBe(250 / 128);
    now += 2100;
    await finish();
    expect(pace.most).toBe(250 / 128);
    now += 2100;
    for (let call = 0; call < 2; call++) await finish();
    expect(pace.most).toBe(250 / 128);
  });

  it('takes a page that stood still for no fast device', async () => {
    const pace = new Pace(queue, false);
    for (let call = 0; call < 3; call++) pace.submitted(10);
    now += 3000;
    for (let call = 0; call < 3; call++) {
      await finish();
      now += 0.01;
    }
    expect(pace.most).toBe(250 / 512);
  });

  it('learns nothing from no work, from a clock that stands still and from what is refused', async () => {
    const pace = new Pace(queue, false);
    await work(pace, 0, 3000);
    await work(pace, 100, 0);
    await work(pace, 100, 9);
    expect(pace.most).toBe(250 / 32);
    queue.onSubmittedWorkDone = () => Promise.reject(new Error('the device is lost'));
    pace.submitted(10);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    expect(pace.most).toBe(250 / 32);
  });

  it('is found out again after a guess that was much too fast', async () => {
    const pace = new Pace(queue, false);
    for (let call = 0; call < 20; call++) await work(pace, 1000, 11);
    expect(pace.most).toBe(2000);
    expect(pace.isLong(31)).toBeTrue();
    for (let call = 0; call < 4; call++) await work(pace, 31, 3100);
    expect(pace.most).toBe(250 / 128);
  });

  it('follows the flag, and finds nothing long where it is Infinity', () => {
    const pace = new Pace(queue, false);
    expect(pace.isLong(1)).toBeTrue();
    expect(pace.isLong(0.9)).toBeFalse();
    tf.env().set('SPLAT_DISPATCH_MS', 25);
    expect(pace.isLong(0.9)).toBeTrue();
    tf.env().set('SPLAT_DISPATCH_MS', Infinity);
    expect(pace.isLong(1e12)).toBeFalse();
  });

  it('of a flag that is no time: says what one is', () => {
    for (const wrong of [0, -1, NaN, true])
      expect(() => tf.env().set('SPLAT_DISPATCH_MS', wrong)).toThrowError(
        new RegExp(`^flag SPLAT_DISPATCH_MS: found ${wrong}, expected milliseconds above 0`),
      );
  });
});
