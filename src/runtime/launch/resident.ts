import {Recent} from '../../support/index.js';
import type {CallParams, Compiled, Launch, Work} from '../../pure.js';
import type {Host, Resident} from '../host/backend.js';
import type {Uniform} from '../host/memory.js';
import {cutFor} from './turns.js';
import type {Runnable} from './fits.js';
import {dispatchOf, type LaunchSource} from './run.js';

/** A plan that runs again and again. */
export type Lasting = Pick<Compiled, 'launches' | 'tail' | 'workBytes'> & {readonly plan: Work};

/** Of launches that read none. */
const NO_SCHEDULE = new Int32Array(0);

const sources = new WeakMap<Runnable, LaunchSource>();

/** Its schedule is uploaded once; what a call adds is remembered by its contents. */
export function resident(runnable: Runnable): LaunchSource {
  let source = sources.get(runnable);
  if (source === undefined) sources.set(runnable, (source = sourceOf(runnable)));
  return source;
}

const sourceOf = (runnable: Runnable): LaunchSource => ({
  runnable,
  owner: runnable,
  begin(host, launches, call) {
    const {schedule, bytes} = residentOf(host, runnable);
    const uniforms = uniformsOf(host, launches, call);
    return {
      schedule: {buffer: schedule, size: bytes},
      dispatches: (bindings) =>
        launches.map((launch, i) => dispatchOf(host, launch, {buffer: uniforms[i]!.buffer}, bindings, uniforms[i])),
    };
  },
  tried(host) {
    if (!hasSchedule(runnable)) {
      const known = host.scopedOnce.has(runnable);
      host.scopedOnce.add(runnable);
      return known;
    }
    const there = residentOf(host, runnable);
    const {scoped} = there;
    there.scoped = true;
    return scoped;
  },
});

/** Uploads a plan and the uniforms of a call, so that a call like it uploads nothing. */
export function makeResident(host: Host, runnable: Runnable, call: CallParams): void {
  residentOf(host, runnable);
  uniformsOf(host, cutFor(host, runnable.launches), call);
}

const hasSchedule = ({plan, tail, schedule}: Runnable): boolean => plan !== null || schedule !== undefined || tail.pairs > 0;

/** What has no schedule shares an empty one: a model has an op for each of its sizes, which would push out plans. Lists that nothing follows are of all that reads them. */
const ownerOf = (runnable: Runnable): object => {
  const {tail, schedule} = runnable;
  if (schedule !== undefined && 8 * tail.pairs <= schedule.byteLength) return schedule;
  return hasSchedule(runnable) ? runnable : NO_SCHEDULE;
};

function residentOf(host: Host, runnable: Runnable): Resident {
  const {plan, tail, schedule = plan?.schedule ?? NO_SCHEDULE} = runnable;
  const owner = ownerOf(runnable);
  const known = host.residents.get(owner);
  if (known !== undefined) return known;
  const bytes = Math.max(16, schedule.byteLength, 8 * tail.pairs);
  return host.residents.set(owner, {
    schedule: host.upload(schedule, 'SparseAttention.schedule', bytes),
    bytes,
    scoped: false,
  });
}

/** A plan runs with one scale and layout, mostly; with dropout each call has a seed of its own. */
const MOST_CALLS = 8;
const contents = new WeakMap<readonly Launch[], Recent<CallParams, readonly string[]>>();

/** What `params` of each launch makes of a call, as a text. */
function contentsOf(launches: readonly Launch[], call: CallParams): readonly string[] {
  let known = contents.get(launches);
  if (known === undefined) contents.set(launches, (known = new Recent(MOST_CALLS)));
  return (
    known.get(call) ??
    known.set(
      call,
      launches.map(({params}) => `own ${String.fromCharCode(...new Uint16Array(params(call)))}`),
    )
  );
}

const uniformsOf = (host: Host, launches: readonly Launch[], call: CallParams): readonly Uniform[] =>
  contentsOf(launches, call).map((key, i) => host.memory.uniform(key, () => launches[i]!.params(call)));
