import {keyOf, Lru} from '../../support/index.js';
import type {CallParams, Compiled, Launch, Work} from '../../pure.js';
import type {Dispatch, Host, Resident} from '../host/backend.js';
import {cutFor} from './turns.js';
import type {Runnable} from './fits.js';
import {dispatchOf, type Bindings, type LaunchSource} from './run.js';

/** A plan that runs again and again. */
export type Lasting = Pick<Compiled, 'launches' | 'tail' | 'workBytes'> & {readonly plan: Work};

/** Of launches that read none. */
const NO_SCHEDULE = new Int32Array(0);

/** What runs again and again. Its schedule is uploaded once, and so is what each kind of call adds. */
export const resident = (runnable: Runnable): LaunchSource => ({
  runnable,
  owner: runnable,
  begin(host, launches, call) {
    const there = residentOf(host, runnable);
    const uniforms = uniformsOf(host, launches, there, call);
    return {schedule: there.schedule, dispatches: (bindings) => dispatchesOf(host, launches, there, uniforms, bindings)};
  },
  tried(host) {
    const there = residentOf(host, runnable);
    const {scoped} = there;
    there.scoped = true;
    return scoped;
  },
});

/** Uploads a plan and the uniforms of a call, so that a call like it uploads nothing. */
export function makeResident(host: Host, runnable: Runnable, call: CallParams): void {
  uniformsOf(host, cutFor(host, runnable.launches), residentOf(host, runnable), call);
}

function residentOf(host: Host, runnable: Runnable): Resident {
  const known = host.residents.get(runnable);
  if (known !== undefined) return known;
  const {plan, tail} = runnable;
  return host.residents.set(runnable, {
    schedule: host.upload(plan?.schedule ?? NO_SCHEDULE, 'SparseAttention.schedule', 8 * tail.pairs),
    uniforms: new Lru<string, readonly GPUBuffer[]>({entries: MAX_UNIFORMS, evicted: (buffers) => host.destroy(buffers)}),
    dispatches: new Lru<string, readonly Dispatch[]>({entries: MAX_DISPATCHES}),
    scoped: false,
  });
}

/** Scales and bias shapes that a plan remembers: a model has one of each. */
const MAX_UNIFORMS = 8;
/** Sets of buffers that a plan remembers: between two submits a chain of calls goes through about seven. */
const MAX_DISPATCHES = 16;

/** The uniform buffer of each launch for a call, uploaded on the first call like it. */
function uniformsOf(host: Host, launches: readonly Launch[], {uniforms}: Resident, call: CallParams): readonly GPUBuffer[] {
  const key = `${keyOf(call)}|${identity(launches)}`;
  const known = uniforms.get(key);
  if (known !== undefined) return known;
  const upload = ({program, params}: Launch): GPUBuffer =>
    host.upload(new Uint32Array(params(call)), `${program.name}.params`, undefined, GPUBufferUsage.UNIFORM);
  return uniforms.set(key, launches.map(upload));
}

/** The dispatches of a call, remembered: bind groups are most of what a call costs on the CPU. */
function dispatchesOf(
  host: Host,
  launches: readonly Launch[],
  resident: Resident,
  uniforms: readonly GPUBuffer[],
  bindings: Bindings,
): readonly Dispatch[] {
  const bound = [...bindings.values()].map(({buffer, size}) => `${identity(buffer)}:${size}`);
  const key = [...uniforms.map(identity), ...bound].join();
  const known = resident.dispatches.get(key);
  // Asked for all the same, so that pipelines in use are not the ones to be forgotten.
  for (const {program} of launches) host.pipelines.get(program);
  if (known !== undefined) return known;
  return resident.dispatches.set(
    key,
    launches.map((each, i) => dispatchOf(host, each, {buffer: uniforms[i]!}, bindings)),
  );
}

const identities = new WeakMap<object, number>();
let seen = 0;

/** A number that nothing else has had, also no buffer that is destroyed by now. */
function identity(of: object): number {
  let number = identities.get(of);
  if (number === undefined) identities.set(of, (number = seen++));
  return number;
}
