import {compare, enter, newRun, report, type Run} from '../core_suite/compare.js';
import type {Granted, Message, System} from '../core_suite/messages.js';

const GRANTED: Granted = {
  offered: {float16: false, subgroups: true, tensorCores: false},
  given: {float16: false, subgroups: true, tensorCores: false},
  refused: ['float16: the adapter has none.'],
};
const done: Message = {kind: 'done', devices: 1, poorDevices: 0, errors: 0, outside: []};

function runOf(system: System, outcomes: Readonly<Record<string, boolean>>, granted = system === 'splat' ? GRANTED : null): Run {
  const run = newRun(system);
  const specs = Object.entries(outcomes).flatMap<Message>(([name, passed]) => [
    {kind: 'started', name},
    {kind: 'spec', name, passed, why: passed ? '' : 'Expected 1 to be 2.\nat a line'},
  ]);
  enter(run, 'ops/a_test', [{kind: 'ready', adapter: 'an adapter', granted}, ...specs, done], null);
  return run;
}

describe('comparison of the specs of tfjs-core on two backends', () => {
  it('is content when the same specs pass, and lists those that fail on both', () => {
    const runs = [runOf('stock', {a: true, b: false}), runOf('splat', {a: true, b: false})] as const;
    const comparison = compare(...runs);
    expect(comparison).toEqual({bothPass: 1, bothFail: ['b: Expected 1 to be 2.'], failures: []});
    const text = report(runs, comparison);
    expect(text).toMatch(/^ +stock +2 +1 +1 +1 +0 +0$/m);
    expect(text).toContain('createWebGPUBackend granted: subgroups. float16: the adapter has none.');
    expect(text).toContain('fail on both backends (1):\n  b: Expected 1 to be 2.');
    expect(text).toMatch(/\n2 specs, 0 failures, 1 pending$/);
  });

  it('names a spec that passes on one alone, either way', () => {
    const {failures} = compare(runOf('stock', {a: true, b: false}), runOf('splat', {a: false, b: true}));
    expect(failures.length).toBe(2);
    expect(failures[0]).toMatch(/^'a' passes on stock alone: Expected 1 to be 2/);
    expect(failures[1]).toMatch(/^'b' passes on splat alone/);
  });

  it('names a spec that only one has run', () => {
    expect(compare(runOf('stock', {a: true, b: true}), runOf('splat', {a: true})).failures).toEqual(["'b' ran on stock alone"]);
  });

  it('keeps specs of one name apart, by their order', () => {
    const run = (system: System, ...passed: boolean[]): Run => {
      const one = newRun(system);
      const specs = passed.map<Message>((each) => ({kind: 'spec', name: 'a', passed: each, why: ''}));
      enter(one, 'f', [{kind: 'ready', adapter: '', granted: GRANTED}, ...specs, done], null);
      return one;
    };
    expect(compare(run('stock', true, false), run('splat', false, true)).failures.length).toBe(2);
    expect(compare(run('stock', true, false), run('splat', true, false)).failures).toEqual([]);
  });

  it('fails when nothing ran', () => {
    const {failures} = compare(runOf('stock', {}), runOf('splat', {}));
    expect(failures).toEqual(['stock: no spec ran']);
  });

  it('fails when the device got less than the adapter has, or nothing', () => {
    const poor: Granted = {...GRANTED, given: {...GRANTED.given, subgroups: false}};
    expect(compare(runOf('stock', {a: true}), runOf('splat', {a: true}, poor)).failures).toEqual([
      'splat: the adapter has subgroups, and the backend does not',
      'splat: the device has nothing that the stock one lacks',
    ]);
    const bare = newRun('splat');
    enter(bare, 'f', [{kind: 'spec', name: 'a', passed: true, why: ''}, done], null);
    expect(compare(runOf('stock', {a: true}), bare).failures).toEqual(['splat: nothing was granted']);
  });

  it('fails when later devices lack what was granted, and when something fails outside of specs', () => {
    const splat = runOf('splat', {a: true});
    enter(splat, 'g', [{...done, poorDevices: 2, outside: ['afterAll failed']}], null);
    expect(compare(runOf('stock', {a: true}), splat).failures).toEqual([
      'splat: 2 devices lack what was granted (g)',
      'splat: outside of a spec: afterAll failed (g)',
    ]);
  });

  it('fails when a process dies, and says in which spec', () => {
    const stock = runOf('stock', {a: true});
    enter(stock, 'g', [{kind: 'started', name: 'b'}], 'SIGSEGV');
    expect(compare(stock, runOf('splat', {a: true})).failures).toEqual(["stock: a process ended early in 'b': SIGSEGV (g)"]);
  });
});
