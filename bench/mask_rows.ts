import type {Compiled} from '../src/pure.js';
import type {Implementation} from './options.js';
import type {BenchPattern} from './patterns.js';
import type {MaskRecord, TierRecord} from './records.js';
import {SKIPPED} from './skipped.js';
import type {OwnSystem} from './tier_options.js';
import type {TierWorkload} from './tier_workload.js';

/** One mask on one system: a row for each implementation. */
export async function* maskRows(
  workload: TierWorkload,
  system: OwnSystem,
  pattern: BenchPattern,
  implementations: readonly Implementation[],
  late: () => boolean,
): AsyncGenerator<MaskRecord> {
  const {n, heads, headDim} = workload.empty(system, pattern);
  const timed: {readonly compiled: Compiled; readonly found: TierRecord}[] = [];
  // What `auto` comes to is one of the others, and is not timed again.
  for (const asked of [...implementations].sort((a, b) => Number(a === 'auto') - Number(b === 'auto'))) {
    const row = {kind: 'mask' as const, mask: pattern.name, system, n, heads, headDim, asked, ms: null};
    if (late()) {
      yield {...row, error: SKIPPED};
      continue;
    }
    let made: {readonly compiled: Compiled | string; readonly planMs: number};
    try {
      made = planned(() => workload.compile(system, pattern, asked));
    } catch (error) {
      yield {...row, error: String(error)};
      continue;
    }
    const {compiled, planMs} = made;
    if (typeof compiled === 'string') {
      yield {...row, error: compiled};
      continue;
    }
    const {implementation, nnz: pairs, density, tileDensity, costMs: predictedMs, bytes} = compiled.plan;
    const found = timed.find((each) => isSame(each.compiled, compiled))?.found ?? (await workload.rowOf(compiled, system, pattern));
    timed.push({compiled, found});
    const {ms, samples, clockRatio, maxError, tile, error} = found;
    const measured = {ms, samples, clockRatio, maxError, tile, error};
    yield {...row, implementation, pairs, density, tileDensity, predictedMs, planMs, bytes, ...measured};
  }
}

/** Two plans of one pattern that launch the same. */
function isSame({plan: a}: Compiled, {plan: b}: Compiled): boolean {
  if (a.implementation !== b.implementation || a.tile !== b.tile || a.schedule.length !== b.schedule.length) return false;
  return a.schedule.every((word, i) => word === b.schedule[i]);
}

/** Runs `plan` up to three times within about a second, and says how long the fastest took. */
export function planned<T>(plan: () => T): {readonly compiled: T; readonly planMs: number} {
  let planMs = Infinity;
  for (let run = 0, spent = 0; ; run++) {
    const start = performance.now();
    const compiled = plan();
    const ms = performance.now() - start;
    [planMs, spent] = [Math.min(planMs, ms), spent + ms];
    if (run === 2 || spent > 1000) return {compiled, planMs};
  }
}
