import {mostKeys, operandBytes, scratchLayout, type Device, type Kinds, type Pass, type Work, type Formats} from '../plan/index.js';
import {keyOf, Lru, Recent} from '../support/index.js';
import {appendLaunch, appendProgram, type AppendShape, type AppendSizes} from './around/append.js';
import {attendProgram} from './attend/attend.js';
import {tailOf, type Tail} from './terms/fields.js';
import type {Features} from './text/features.js';
import {mostOfScale} from './text/params.js';
import {copyLaunch, copyProgram} from './around/copy_rows.js';
import {gatherGrid, gatherProgram, gathers} from './around/gather.js';
import {remembered} from './generate.js';
import {launcher} from './launcher.js';
import {copiedOf, heldPairs, placesOf, writeHeld, type Held} from './text/held.js';
import {kernelShape, type Structure} from './tile/kernel_shape.js';
import {mergeGroups, mergeProgram} from './around/merge.js';
import type {BindingRole, Launch, Program} from './text/program.js';
import {roleOf} from './text/row_access.js';

/** One step of decoding, ready to run: its buffers are written anew each time, its programs are few. */
export interface DecodeStep {
  /** Null where tokens are appended alone. */
  readonly plan: Work | null;
  readonly launches: readonly Launch[];
  /** What the schedule buffer begins with: the plan, mask bits, what the cache holds. The rest is gathered on the device. */
  readonly words: Int32Array<ArrayBuffer>;
  readonly tail: Pick<Tail, 'pairs'>;
  readonly workBytes: Readonly<Partial<Record<BindingRole, number>>>;
  /** What the memory of the cache is to the launches. */
  readonly memory: readonly [key: BindingRole, value: BindingRole];
}

export interface DecodeOptions {
  /** What the call adds to the scores. */
  readonly features: Features;
  readonly held: Held;
}

/** The dispatches of a step: copy what goes on several times, append the new tokens, gather the small tensors, attend, merge. */
export function generateStep(plan: Work, {features, held}: DecodeOptions): DecodeStep {
  const {batch, keyLength} = plan.problem;
  const {schedule, ...around} = plan;
  const copied = copiedOf(held, keyLength);
  const wanted = [schedule.length, rowKeysOf(plan), placesOf(held), copied, features, around] as const;
  const known = launched.get(wanted) ?? launched.set(wanted, dispatchesOf(plan, features, held));
  const {tail, ...dispatches} = known;
  const words = new Int32Array(2 * (tail.held + heldPairs(batch)));
  words.set(schedule);
  writeHeld(words, tail.held, held, keyLength);
  return Object.freeze({plan, words, tail, ...dispatches});
}

/** Rows of a causal pattern have a key more with each token, whose values have one scale for long. */
const rowKeysOf = (plan: Work): number => mostOfScale(mostKeys(plan));

/** Steps of one token after another differ in words, and in their dispatches only now and then. Those of a few layers come in turn. */
const MOST_LAUNCHED = 16;
type Around = readonly [
  words: number,
  rowKeys: number,
  places: number,
  copied: number,
  features: Features,
  rest: Omit<Work, 'schedule'>,
];
type Dispatches = Pick<DecodeStep, 'launches' | 'workBytes' | 'memory'> & {readonly tail: Tail};
const launched = new Recent<Around, Dispatches>(MOST_LAUNCHED);

function dispatchesOf(plan: Work, asked: Features, held: Held): Dispatches {
  const {problem, passes, formats, device} = plan;
  const {batch, heads, keyHeads, packedHeads, queryLength, keyLength, headDim, valueDim} = problem;
  const features = {...asked, ring: true};
  const [pass] = passes as [Pass];
  const tail = tailOf(plan, features, null);
  const {one, over} = launcher(plan, {features, tail}, {params: {rowKeys: rowKeysOf(plan)}});
  const lines = [heads, batch] as const;

  const shape: AppendShape = {headDim, valueDim, formats, nativeHalves: device.float16, queries: formats.query !== 'float32'};
  const tokens = queryLength / packedHeads;
  const sizes = {
    batch,
    heads: heads * packedHeads,
    keyHeads,
    capacity: keyLength,
    tokens,
    held: tail.held,
    places: placesOf(held),
  };
  const {append, gather, attend, merge} = programsOf(plan, shape, features, pass.kinds);
  const launches = [...copyLaunches(shape, sizes, held), appendLaunch(append, shape, sizes)];
  if (gather !== null) launches.push(one(gather, gatherGrid(tail)));
  launches.push(...over(attend, 'items', pass, lines, 0));
  launches.push(...over(merge, 'merges', pass, lines, 0, {groups: mergeGroups(plan)}));
  const queries = shape.queries && {[roleOf('query', formats)]: operandBytes(problem, formats).query};
  // Slots come one by one as a sequence grows: in powers of two the buffer is seldom made anew.
  const slots = pass.slots === 0 ? 0 : 2 ** Math.ceil(Math.log2(pass.slots));
  const scratch = 16 * scratchLayout({...plan, passes: [{...pass, slots}]}).total;
  return Object.freeze({
    launches: Object.freeze(launches),
    tail,
    workBytes: Object.freeze({scratch: Math.max(16, scratch), rowSums: 16, ...queries}),
    memory: memoryOf(formats),
  });
}

interface Programs {
  readonly append: Program;
  readonly gather: Program | null;
  readonly attend: Program;
  readonly merge: Program;
}

/** By device, then by what else the texts depend on: spelling out a kernel shape takes as long as planning the step. */
const written = new WeakMap<Device, Lru<string, Programs>>();
const named = new Recent<object, string>(8);

function programsOf(plan: Work, shape: AppendShape, features: Features, kinds: Kinds): Programs {
  const {device, tile, formats} = plan;
  const {headDim, valueDim} = plan.problem;
  let programs = written.get(device);
  if (programs === undefined) written.set(device, (programs = new Lru({entries: 32})));
  const structure: Omit<Structure, 'device'> = {tile, formats, problem: {headDim, valueDim}};
  const wanted = {structure, shape, features, kinds};
  const name = named.get(wanted) ?? named.set(wanted, keyOf(wanted));
  return (
    programs.get(name) ??
    programs.set(name, {
      append: appendProgram(shape),
      gather: gathers(features) ? gatherProgram(features) : null,
      attend: remembered(attendProgram, kernelShape({...structure, device}, features, kinds)),
      merge: mergeProgram(structure, features, kinds),
    })
  );
}

/** The dispatches that append tokens whose attention is computed elsewhere. */
export function generateAppend(
  shape: Omit<AppendShape, 'queries'>,
  sizes: Omit<AppendSizes, 'held' | 'heads' | 'places'>,
  held: Held,
): DecodeStep {
  const appended: AppendShape = {...shape, queries: false};
  const placed = {...sizes, heads: sizes.keyHeads, held: 0, places: placesOf(held)};
  const words = new Int32Array(2 * heldPairs(sizes.batch));
  writeHeld(words, 0, held, sizes.capacity);
  const append = appendLaunch(remembered(appendProgram, appended), appended, placed);
  return Object.freeze({
    plan: null,
    launches: Object.freeze([...copyLaunches(appended, placed, held), append]),
    words,
    tail: Object.freeze({pairs: words.length / 2}),
    workBytes: Object.freeze({}),
    memory: memoryOf(shape.formats),
  });
}

function copyLaunches(shape: AppendShape, sizes: AppendSizes, held: Held): Launch[] {
  const copied = copiedOf(held, sizes.capacity);
  return copied === 0 ? [] : [copyLaunch(remembered(copyProgram, shape), shape, sizes, copied)];
}

const memoryOf = (formats: Formats): DecodeStep['memory'] => [roleOf('key', formats), roleOf('value', formats)];
