import type {ScoreTerm} from '../../../src/wgsl/terms/term.js';

declare module '../../../src/wgsl/text/features.js' {
  interface Features {
    readonly kerple?: boolean;
  }
}
declare module '../../../src/wgsl/text/program.js' {
  interface TermRoles {
    /** [heads] */
    readonly decayRates: 1;
  }
}

/** −rate · log(1 + |position − key|): KERPLE's logarithmic kernel (arXiv 2205.09921), a learned decay with the distance. */
export const kerple: ScoreTerm = {
  name: 'kerple',
  brings: [{role: 'decayRates', words: ({heads, packedHeads}) => heads * packedHeads, floats: true}],
  places: true,
  query: (a, {head, token}) =>
    `let rate${a} = extra(params.decayRates + ${head});\nlet from${a} = i32(${token}) + params.queryOffset;`,
  adds: (a, b) => `-rate${a} * log(1.0 + f32(abs(from${a} - k${b})))`,
};
