import type {TensorInfo} from '@tensorflow/tfjs-core';
import {cutLaunches, type Launch} from '../../pure.js';
import type {Host} from '../host/backend.js';
import type {Dispatch} from '../host/dispatch.js';

/** Launches as they were cut, by how long each may be: a few powers of two. */
const known = new WeakMap<readonly Launch[], Map<number, readonly Launch[]>>();

/** Launches that are each predicted to take no longer than a dispatch may on this device. */
export function cutFor({pace: {most}}: Host, launches: readonly Launch[]): readonly Launch[] {
  if (msOf(launches) <= most) return launches;
  let cuts = known.get(launches);
  if (cuts === undefined) known.set(launches, (cuts = new Map()));
  let cut = cuts.get(most);
  if (cut === undefined) cuts.set(most, (cut = cutLaunches(launches, most)));
  return cut;
}

/** Encodes the dispatches of launches. Long ones are submitted one after another: others may use the GPU in between, and no watchdog sees them as one. */
export function encodeInTurns(
  host: Host,
  launches: readonly Launch[],
  dispatches: readonly Dispatch[],
  touched: readonly TensorInfo[],
): void {
  const {pace} = host;
  if (!pace.isLong(msOf(launches))) return host.encode(dispatches, touched);
  host.flush();
  for (let from = 0, to: number; from < launches.length; from = to) {
    let ms = msOf([launches[from]!]);
    for (to = from + 1; to < launches.length; to++) {
      const next = msOf([launches[to]!]);
      // What takes no time of its own goes with what does.
      if (ms > 0 && next > 0 && ms + next > pace.most) break;
      ms += next;
    }
    host.encode(dispatches.slice(from, to), touched);
    host.flush();
    host.watcher?.turn();
    pace.submitted(ms);
  }
}

/** What is predicted of launches over records. The others copy or convert tensors once. */
const msOf = (launches: readonly Launch[]): number => launches.reduce((sum, {range}) => sum + (range?.ms ?? 0), 0);
