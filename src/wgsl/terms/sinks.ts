import {PER_UNIT} from '../text/features.js';
import type {Beside, ScoreTerm} from './term.js';

declare module '../text/features.js' {
  interface Features {
    readonly sinks: boolean;
  }
}
declare module '../text/program.js' {
  interface TermRoles {
    /** [heads] */
    readonly sinks: 1;
  }
}

/** One more key for each head, of value zero, which the first to write a row has seen; of cut rows that is the merge. */
export const sinks: ScoreTerm = {
  name: 'sinks',
  brings: [{role: 'sinks', words: ({heads, packedHeads}) => heads * packedHeads, floats: true}],
  far: true,
  functions: (beside) => sinkText(beside),
  seen: {
    pair: (head, own, batch) => `sinkOf(${head}, ${own}, ${batch})`,
    logit: (query) => `bitcast<f32>(schedule[params.sinks + ${query}].x)`,
  },
};

/**
 * A sink as (maximum, sum) of row `own` of a line that has seen no other key; minus infinity is none. Beside slopes that count from the
 * nearest key, it stands as much higher as all of these do.
 */
function sinkText({apart}: Beside): string {
  const below = apart('query', 'own % perHead', 'batch');
  return /* wgsl */ `
fn sinkOf(head: u32, own: u32, batch: u32) -> vec2f {
  let perHead = params.queryLength / params.packedHeads;
  let query = head * params.packedHeads + own / perHead;
  let word = schedule[params.sinks + query].x;
  let logit = bitcast<f32>(word) * ${PER_UNIT};
  let higher = ${below === null ? 'logit' : `fma(${below.factor} * ${PER_UNIT}, ${below.way}, logit)`};
  return select(vec2f(higher, 1.0), vec2f(EMPTY, 0.0), bitcast<u32>(word) == 0xff800000u);
}
`;
}
