import type {ScoreTerm} from './term.js';

declare module '../text/features.js' {
  interface Features {
    readonly segments: boolean;
  }
}
declare module '../text/program.js' {
  interface TermRoles {
    /** [batch, queryLength] and [batch, keyLength] */
    readonly querySegments: 2;
    readonly keySegments: 2;
  }
}

/** Pairs attend only where their numbers are equal. */
export const segments: ScoreTerm = {
  name: 'segments',
  brings: [
    {role: 'querySegments', words: ({batch, queryLength}) => batch * queryLength},
    {role: 'keySegments', words: ({batch, keyLength}) => batch * keyLength},
  ],
  query: (a, {row}) => `let segment${a} = schedule[params.querySegments + batch * params.queryLength + ${row}].x;`,
  key: (b) => `let theirs${b} = schedule[params.keySegments + batch * params.keyLength + u32(k${b})].x;`,
  shows: (a, b) => `segment${a} == theirs${b}`,
};
