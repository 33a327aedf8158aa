import {backwardRow, maskTensorRow} from './backward.js';
import {openGranted} from './gpu.js';
import {PATTERNS} from './patterns.js';
import type {BackwardRecord} from './records.js';
import type {OwnSystem} from './tier_options.js';
import {openTimer} from './timer.js';

/** Patterns that are timed as boolean tensors, too. */
const AS_TENSORS = ['window', 'causal', 'full'];

/** Boolean tensors beside the patterns of the same pairs, forward and backward: calls of TensorFlow.js on a backend that has what the system names. */
export async function* maskTensorRows(
  system: OwnSystem,
  sizes: {readonly n: number; readonly heads: number; readonly headDim: number},
  late: () => boolean,
): AsyncGenerator<BackwardRecord> {
  const halves = system === 'float16 storage' || system === 'tensor cores';
  const {gpu, report} = await openGranted(`${system}, ${sizes.n}`, {
    float16: halves,
    subgroups: system !== 'float32',
    tensorCores: system === 'tensor cores',
  });
  if (system === 'tensor cores' && report.tensorCores.length === 0) {
    const row = {kind: 'backward' as const, system: `mask tensor, ${system}`, ...sizes, forwardMs: null, backwardMs: null};
    for (const pattern of AS_TENSORS) yield {...row, pattern, error: 'not granted: tensorCores'};
    return;
  }
  const bench = {gpu, timer: await openTimer(gpu), batch: 1, ...sizes};
  const options = halves ? {precision: 'float16' as const} : {};
  for (const pattern of PATTERNS.filter(({name}) => AS_TENSORS.includes(name))) {
    if (late()) return;
    const rows = [await backwardRow(bench, pattern, null, options), await maskTensorRow(bench, pattern, options)];
    for (const row of rows) yield {...row, system: `${row.system}, ${system}`};
  }
}
