import {causal, slidingWindow} from '../../src/pattern/index.js';
import {CORE_DEVICE, draw, planMaskTensor} from '../../src/plan/index.js';
import {randomMask} from '../corpus.js';
import {planFor, problemFor} from '../support/plans.js';

const square = (length: number): ReturnType<typeof problemFor> =>
  problemFor({queryLength: length, keyLength: length, queryOffset: 0});

describe('the drawing of a plan', () => {
  it('shows causal attention of few queries to more keys', () => {
    expect(draw(planFor(causal(), problemFor({queryLength: 6, keyLength: 9, queryOffset: 3})))).toBe(
      ['████▒····', '██████▒··', '████████▒', '█ full  ▒ partial  · none; a character is 2 queries × 1 key'].join('\n'),
    );
  });

  it('shows a window over 96 tokens, two keys a character', () => {
    const lines = draw(planFor(slidingWindow({left: 8, right: 8}), square(96))).split('\n');
    expect(lines).toHaveSize(25);
    expect(lines[0]).toBe('████▒▒'.padEnd(48, '·'));
    expect(lines[1]).toBe('██████▒▒'.padEnd(48, '·'));
    expect(lines[23]).toBe('▒▒████'.padStart(48, '·'));
    expect(lines[24]).toContain('4 queries × 2 keys');
  });

  it('shows a dense plan as it shows a fused one', () => {
    for (const pattern of [causal(), slidingWindow({left: 3, right: 2, dilation: 2})]) {
      const [fused, dense] = (['fused', 'dense'] as const).map((implementation) =>
        draw(planFor(pattern, square(70), CORE_DEVICE, implementation)),
      );
      expect(dense).toBe(fused!);
    }
  });

  it('counts keys of a stride one by one', () => {
    expect(draw(planFor(slidingWindow({left: 2, right: 2, dilation: 3}), square(10), CORE_DEVICE, 'fused')).split('\n')[0]).toBe(
      '▒▒·▒▒·▒▒··',
    );
  });

  it('has at most 48 characters a line, however long the sequence', () => {
    for (const length of [1, 48, 49, 1000, 16384]) {
      const [first] = draw(planFor(causal(), square(length))).split('\n');
      expect(first!.length).withContext(`${length}`).toBeLessThanOrEqual(48);
      expect(first!.length).withContext(`${length}`).toBeGreaterThanOrEqual(Math.min(length, 24));
    }
  });

  it('is empty when the mask is a tensor that comes with the call', () => {
    expect(draw(planMaskTensor(square(40), CORE_DEVICE))).toBe('');
  });

  it('is empty where there is nothing to draw, and all dots where nothing attends', () => {
    expect(draw(planFor(causal(), problemFor({queryLength: 0, keyLength: 4, queryOffset: 0})))).toBe('');
    expect(draw(planFor(randomMask(4, 3, 0, 1), problemFor({queryLength: 4, keyLength: 3, queryOffset: 0})))).toMatch(
      /^···\n···\n█/,
    );
  });
});
