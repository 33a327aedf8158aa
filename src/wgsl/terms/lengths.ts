import type {ScoreTerm} from './term.js';

declare module '../text/features.js' {
  interface Features {
    readonly lengths: boolean;
  }
}
declare module '../text/program.js' {
  interface TermRoles {
    /** [batch] */
    readonly keyLengths: 1;
  }
}

/** How many keys each sequence has. Never of a cache, which knows what its slots hold. */
export const lengths: ScoreTerm = {
  name: 'lengths',
  brings: [{role: 'keyLengths', words: ({batch}) => batch}],
  matrices: true,
  keyCount: (batch) => `schedule[params.keyLengths + ${batch}].x`,
};
