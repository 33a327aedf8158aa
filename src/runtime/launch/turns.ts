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

/** Launches that are submitted together. */
interface Turn {
  /** One past the last of them. */
  readonly end: number;
  /** Predicted. */
  readonly ms: number;
}

/** The turns of launches that take long: others may use the GPU in between, and no watchdog sees them as one. None where they do not. */
export function turnsOf({pace}: Host, launches: readonly Launch[]): readonly Turn[] {
  const turns: Turn[] = [];
  if (!pace.isLong(msOf(launches))) return turns;
  for (let end = 0; end < launches.length;) {
    let ms = msOf([launches[end]!]);
    for (end++; end < launches.length; end++) {
      const next = msOf([launches[end]!]);
      // What takes no time of its own goes with what does.
      if (ms > 0 && next > 0 && ms + next > pace.most) break;
      ms += next;
    }
    turns.push({end, ms});
  }
  return turns;
}

/** Encodes the dispatches of launches, long ones in turns. */
export function encodeInTurns(
  host: Host,
  launches: readonly Launch[],
  dispatches: readonly Dispatch[],
  touched: readonly TensorInfo[],
): void {
  const turns = turnsOf(host, launches);
  if (turns.length === 0) return host.encode(dispatches, touched);
  host.flush();
  let begin = 0;
  for (const {end, ms} of turns) {
    host.encode(dispatches.slice(begin, end), touched);
    host.flush();
    host.watcher?.turn();
    host.pace.submitted(ms);
    begin = end;
  }
}

/** What is predicted of launches over records. The others copy or convert tensors once. */
const msOf = (launches: readonly Launch[]): number => launches.reduce((sum, {range}) => sum + (range?.ms ?? 0), 0);
