import type {SplatError} from '../../support/index.js';
import type {Launch, Program} from '../../pure.js';
import type {Host} from '../host/backend.js';
import {refusedProgram, withComplaints} from '../host/refused_program.js';

/**
 * Runs `encode` as the only commands inside a validation scope. The answer comes later, after kernels must have returned: an error is
 * logged then, and the plan and its new pipelines throw from their next use on. Without this tfjs would go on with old memory as results.
 */
export function scoped(host: Host, owners: readonly object[], launches: readonly Launch[], encode: () => void): void {
  const fresh = [...programsOf(launches)].filter((program) => !host.pipelines.has(program));
  host.flush();
  host.device.pushErrorScope('validation');
  try {
    encode();
    host.flush();
  } finally {
    host.device.popErrorScope().then(
      async (found) => {
        if (found === null) return;
        const mark = (reason: string): SplatError => {
          const error = refusedProgram(namesOf(launches), reason);
          for (const owner of owners) host.broken.set(owner, error);
          for (const program of fresh) host.pipelines.markBroken(program, error);
          return error;
        };
        let reason = found.message;
        // At once: the compiler's words come later, and until then nobody may take old memory for results.
        mark(reason);
        for (const {code} of fresh) reason = await withComplaints(host.device, code, reason);
        console.error(`SparseAttention: the output of this call is not valid. ${mark(reason).message}`);
      },
      () => undefined, // The device is lost, which every later call reports.
    );
  }
}

/** Each program once, however often it is launched. */
export const namesOf = (launches: readonly Launch[]): string => [...programsOf(launches)].map(({name}) => name).join(', ');

const programsOf = (launches: readonly Launch[]): ReadonlySet<Program> => new Set(launches.map(({program}) => program));
