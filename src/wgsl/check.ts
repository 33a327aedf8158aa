import {gradientScratch, isWide, scratchLayout, type GradientPlan, type Work} from '../plan/index.js';
import type {Tail} from './terms/fields.js';
import {PARAMS_BYTES} from './text/params.js';
import type {BindingRole, Launch, Range} from './text/program.js';

/** What runs, of a forward or a backward pass or of a step of decoding. */
export interface Launched {
  readonly plan: Work | null;
  readonly launches: readonly Launch[];
  readonly tail: Pick<Tail, 'pairs'>;
  readonly workBytes: Readonly<Partial<Record<BindingRole, number>>>;
  /** Of a backward pass. */
  readonly gradients?: GradientPlan;
  /** Of a step of decoding. */
  readonly memory?: readonly BindingRole[];
  readonly words?: Int32Array;
}

/** What every device takes in a dimension of a grid. */
const MOST_GROUPS = 65535;

/** Buffers that no tensor of a call is. */
const OWN: readonly BindingRole[] = [
  ...(['scratch', 'queryHalves', 'keyHalves', 'valueHalves'] as const),
  ...(['queryRounded', 'keyRounded', 'valueRounded'] as const),
];

function must(law: boolean, message: string): void {
  if (!law) throw new Error(`launches: ${message}`);
}

/**
 * Throws an Error that names the first law that launches break. For tests and debugging.
 *
 * The laws: all records are frozen; grids fit every device, and parameters their struct; a program finds a buffer for each of its roles, and
 * no two roles that it writes share one; the tail lies behind the schedule, part after part; dispatches over records go through every pass
 * of their section once (in a backward pass once for each share), in order, without a gap, and say what the items weigh.
 */
export function checkLaunches(launched: Launched): void {
  const {plan, launches, tail, workBytes, memory} = launched;
  for (const [name, record] of Object.entries({launches, tail, workBytes, plan: plan ?? tail}))
    must(Object.isFrozen(record), `${name}: not frozen`);
  for (const [role, bytes] of Object.entries(workBytes)) must(bytes >= 16 && bytes % 4 === 0, `${role} of ${bytes} bytes`);
  launches.forEach((launch, index) => checkLaunch(launch, `launch ${index}, ${launch.program.name}`, launched));
  if (plan === null || isWide(plan.problem)) return;
  checkTail(launched, plan);
  checkRanges(launched, plan);
  const {total} = launched.gradients === undefined ? scratchLayout(plan) : gradientScratch(launched.gradients);
  must(workBytes.scratch! >= 16 * total, `scratch of ${workBytes.scratch} bytes`);
  if (memory !== undefined) must(plan.passes.length === 1, `a step of ${plan.passes.length} passes`);
}

function checkLaunch(launch: Launch, name: string, {plan, workBytes, memory = []}: Launched): void {
  const {program, grid, range, instead = {}} = launch;
  const {bindings, writes} = program;
  for (const [what, record] of Object.entries({launch, grid, range: range ?? launch}))
    must(Object.isFrozen(record), `${name}: its ${what} is not frozen`);
  for (const size of grid)
    must(Number.isInteger(size) && size >= 0 && size <= MOST_GROUPS, `${name}: a grid of ${grid.join(' × ')}`);
  const {byteLength} = launch.params({scale: 1});
  must(byteLength === PARAMS_BYTES, `${name}: ${byteLength} bytes of parameters, the struct has ${PARAMS_BYTES}`);
  must(bindings[0] === 'params' && new Set(bindings).size === bindings.length, `${name}: bindings ${bindings.join()}`);
  must(
    writes.every((role) => bindings.indexOf(role) > 0),
    `${name} writes ${writes.join()}, binds ${bindings.join()}`,
  );
  const bound = bindings.map((role) => instead[role] ?? role);
  for (const role of bound) {
    const isThere = !OWN.includes(role) || workBytes[role] !== undefined || memory.includes(role);
    must(isThere || (plan !== null && isWide(plan.problem)), `${name}: no buffer for ${role}`);
  }
  for (const role of writes)
    must(bound.filter((each) => each === (instead[role] ?? role)).length === 1, `${name}: ${role} is written and bound again`);
}

function checkTail({tail, words}: Launched, plan: Work): void {
  const {maskBits, maskPairs, statePairs, held, gathered, pairs} = tail as Tail;
  must(maskBits === plan.schedule.length / 2, `mask bits from pair ${maskBits}, the schedule has ${plan.schedule.length / 2}`);
  must(held === maskBits + maskPairs + statePairs, `what a cache holds from pair ${held}`);
  let end = held;
  for (const {role, at, words: count} of gathered) {
    must(at >= end, `${role} from pair ${at}, before that lies another up to ${end}`);
    end = at + count;
  }
  must(pairs >= end, `${pairs} pairs, the last ends at ${end}`);
  if (words === undefined) return;
  must(words.length <= 2 * pairs, `${words.length} words in ${pairs} pairs`);
  must(
    plan.schedule.every((word, at) => words[at] === word),
    'words that do not begin with the schedule',
  );
}

/** Per program and section: how often each pass was gone through, and where the next dispatch over it has to begin. */
interface Walk {
  readonly times: number[];
  readonly next: number[];
}

function checkRanges({launches, gradients}: Launched, plan: Work): void {
  const keys = gradients?.keys;
  const walks = new Map<string, Walk>();
  for (const {program, grid, range} of launches) {
    if (range === undefined) continue;
    const spans = spansOf(range.of, plan, keys);
    const name = `${program.name} over ${range.of}`;
    let walk = walks.get(name);
    if (walk === undefined) walks.set(name, (walk = {times: spans.map(() => 0), next: spans.map(([begin]) => begin)}));
    const {begin, end, weight} = range;
    const pass = spans.findIndex(([from, to]) => from <= begin && end <= to && from < to);
    must(pass >= 0 && begin < end, `${name}: from ${begin} to ${end}, which is no part of a pass`);
    must(begin === walk.next[pass], `${name}: from ${begin}, where ${walk.next[pass]} comes next`);
    must(
      grid[1] % (end - begin) === 0 || grid[0] === end - begin,
      `${name}: ${end - begin} of them on a grid of ${grid.join(' × ')}`,
    );
    const weights = range.of === 'items' ? plan.weights : range.of === 'keyItems' ? keys!.weights : null;
    const sum = weights === null ? null : weights.subarray(begin, end).reduce((all, tiles) => all + tiles, 0);
    must(weight === sum, `${name}: from ${begin} to ${end} weigh ${weight}, their tiles are ${sum}`);
    const [from, to] = spans[pass]!;
    walk.next[pass] = end === to ? from : end;
    if (end === to) walk.times[pass]! += 1;
  }
  const rounds = new Set<number>();
  for (const [name, {times, next}] of walks) {
    const spans = spansOf(name.split(' over ')[1] as Range['of'], plan, keys);
    spans.forEach(([begin, end], pass) => {
      must(next[pass] === begin, `${name}: ends at ${next[pass]} of pass ${pass}`);
      if (begin < end) rounds.add(times[pass]!);
    });
  }
  must(rounds.size <= 1, `some passes run ${[...rounds].join(' and ')} times`);
  must(keys !== undefined || !rounds.has(2), 'a forward pass runs twice');
  if (keys !== undefined) return;
  for (const of of ['items', 'merges'] as const) {
    const isEmpty = spansOf(of, plan, keys).every(([begin, end]) => begin === end);
    must(isEmpty || [...walks.keys()].some((name) => name.endsWith(` over ${of}`)), `no dispatch over the ${of}`);
  }
}

/** What each pass has of a section. */
const spansOf = (of: Range['of'], plan: Work, keys: GradientPlan['keys'] | undefined): (readonly [begin: number, end: number])[] =>
  (of.startsWith('key') ? (keys?.passes ?? []) : plan.passes).map(({itemBegin, itemEnd, mergeBegin, mergeEnd}) =>
    of === 'items' || of === 'keyItems' ? [itemBegin, itemEnd] : [mergeBegin, mergeEnd],
  );
