import type {ScoreTerm, TermSizes} from './term.js';

declare module '../text/features.js' {
  interface Features {
    readonly relative: boolean;
  }
}
declare module '../text/program.js' {
  interface TermRoles {
    /** [heads or 1, queryLength + keyLength − 1] */
    readonly relativeBias: 2;
  }
  interface CallParams {
    /** 1, or as many as the queries have. */
    readonly relativeHeads?: number;
  }
}

const entries = ({queryLength, packedHeads, keyLength}: TermSizes): number => queryLength / packedHeads + keyLength - 1;

/** A number for each key − query. Never of a cache, which has it as a bias by strides. */
export const relative: ScoreTerm = {
  name: 'relative',
  brings: [{role: 'relativeBias', words: (sizes) => sizes.heads * sizes.packedHeads * entries(sizes), floats: true}],
  // of a head; 0 broadcasts
  fields: [
    {name: 'relativeStride', type: 'u32', value: ({relativeHeads = 1}, sizes) => (relativeHeads === 1 ? 0 : entries(sizes))},
  ],
  query: (a, {head, token}) =>
    `let relative${a} = params.relativeBias + (${head}) * params.relativeStride + params.queryLength / params.packedHeads - 1u - ${token};`,
  adds: (a, b) => `extra(relative${a} + u32(k${b}))`,
};
