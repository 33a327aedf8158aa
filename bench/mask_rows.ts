import {predicted, countedOf} from './mask_counts.js';
import {gpuOf} from '../src/plan/index.js';
import type {Compiled} from '../src/pure.js';
import type {BenchPattern} from './patterns.js';
import type {MaskRecord, TierRecord} from './records.js';
import {favouring, type Asked} from './favoured.js';
import {SKIPPED} from './skipped.js';
import type {OwnSystem} from './tier_options.js';
import type {TierWorkload} from './tier_workload.js';

/** One mask on one system: a row for each implementation. */
export async function* maskRows(
  workload: TierWorkload,
  system: OwnSystem,
  pattern: BenchPattern,
  all: readonly Asked[],
  late: () => boolean,
): AsyncGenerator<MaskRecord> {
  const {n, heads, headDim} = workload.empty(system, pattern);
  const timed: {readonly compiled: Compiled; readonly found: TierRecord}[] = [];
  // What `auto` comes to is one of the others, and is not timed again.
  for (const asked of [...all].sort((a, b) => Number(a === 'auto') - Number(b === 'auto'))) {
    const row = {kind: 'mask' as const, mask: pattern.name, system, n, heads, headDim, asked, ms: null};
    if (late()) {
      yield {...row, error: SKIPPED};
      continue;
    }
    let made: {readonly compiled: Compiled | string; readonly planMs: number};
    try {
      made = planned(() => compileAs(workload, system, pattern, asked));
    } catch (error) {
      yield {...row, error: String(error)};
      continue;
    }
    const {compiled, planMs} = made;
    if (typeof compiled === 'string') {
      yield {...row, error: compiled};
      continue;
    }
    const {implementation, nnz: pairs, density, tileDensity, bytes, device} = compiled.plan;
    const counted = countedOf(compiled);
    // Not by the rates that make a planner favour one way.
    const predictedMs = predicted(counted, gpuOf({...device, gpu: undefined}));
    const found = timed.find((each) => isSame(each.compiled, compiled))?.found ?? (await workload.rowOf(compiled, system, pattern));
    timed.push({compiled, found});
    const {ms, samples, clockRatio, maxError, tile, error} = found;
    const measured = {ms, samples, clockRatio, maxError, tile, error};
    yield {...row, implementation, pairs, density, tileDensity, predictedMs, counted, planMs, bytes, ...measured};
  }
}

function compileAs(workload: TierWorkload, system: OwnSystem, pattern: BenchPattern, asked: Asked): Compiled | string {
  if (asked === 'auto' || asked === 'fused' || asked === 'dense') return workload.compile(system, pattern, asked);
  return workload.compile(system, pattern, 'fused', (device) => favouring(asked, device));
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
