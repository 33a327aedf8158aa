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

/** Its schedule is uploaded once; what a call adds is remembered by its contents. */
export const resident = (runnable: Runnable): LaunchSource => ({
  runnable,
  owner: runnable,
  begin(host, launches, call) {
    const {schedule} = residentOf(host, runnable);
    const uniforms = uniformsOf(host, launches, call);
    return {
      schedule,
      dispatches: (bindings) =>
        launches.map((launch, i) => {
          const uniform = uniforms[i]!;
          return {...dispatchOf(host, launch, {buffer: uniform.buffer}, bindings), uniform};
        }),
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

const hasSchedule = ({plan, tail}: Runnable): boolean => plan !== null || tail.pairs > 0;

/** What has no schedule shares an empty one: a model has an op for each of its sizes, which would push out plans. */
function residentOf(host: Host, runnable: Runnable): Resident {
  const {plan, tail} = runnable;
  const owner = hasSchedule(runnable) ? runnable : NO_SCHEDULE;
  const known = host.residents.get(owner);
  if (known !== undefined) return known;
  return host.residents.set(owner, {
    schedule: host.upload(plan?.schedule ?? NO_SCHEDULE, 'SparseAttention.schedule', 8 * tail.pairs),
    scoped: false,
  });
}

const uniformsOf = (host: Host, launches: readonly Launch[], call: CallParams): readonly Uniform[] =>
  launches.map(({params}) => {
    const bytes = params(call);
    return host.memory.uniform(`own ${String.fromCharCode(...new Uint16Array(bytes))}`, () => bytes);
  });
