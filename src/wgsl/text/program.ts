/** The tensors of terms of scores and their ranks: each term in src/wgsl/terms adds its own to this interface. */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type
export interface TermRoles {}
export type TermRole = keyof TermRoles;

/** What a binding of a program is for. The runtime binds its buffers by these names; `params` is the uniform buffer. */
export type BindingRole =
  | 'params'
  | 'query'
  | 'key'
  | 'value'
  /** Query, key and value as packed halves, rows padded with zeros: written by the conversion, read in place of the tensors. */
  | 'queryHalves'
  | 'keyHalves'
  | 'valueHalves'
  /** The same as floats: what a backward pass reads after a forward pass that read halves. */
  | 'queryRounded'
  | 'keyRounded'
  | 'valueRounded'
  /** Keys and values of new tokens, on their way into a cache. */
  | 'newKey'
  | 'newValue'
  | 'schedule'
  /** A boolean mask tensor as tfjs stores it, one int32 per element: the input of the program that packs it into the schedule. */
  | 'mask'
  | TermRole
  | 'output'
  /** (maximum in log2, sum) of each row [batch, heads, queryLength, 2]: kept from pass to pass, and for the gradient. */
  | 'rowSums'
  | 'logSumExp'
  /** Gradients of the tensors without the d: given for the output and the log-sum-exp, written for the others. */
  | 'dOutput'
  | 'dLogSumExp'
  | 'dQuery'
  | 'dKey'
  | 'dValue'
  /** Gradients of scores for each pair, [batch or 1, heads or 1, queryLength, keyLength], and summed over rows, [batch, heads, keyLength]. */
  | 'dScores'
  | 'dKeyScores'
  | 'dRelative'
  /** Rows of partial results with their maximum and sum, `Plan.slots` row tiles per head. */
  | 'scratch'
  /** Of norms and activations: rows, what is added to them, their sum, factors and addends of columns, and gradients of these. */
  | 'x'
  | 'residual'
  | 'sum'
  | 'gamma'
  | 'beta'
  | 'dSum'
  | 'dX'
  | 'dGamma'
  | 'dBeta'
  /** Of packed numbers: those of pairs, and for each row the gradient of the sink of its head. */
  | 'values'
  | 'dSinks'
  /** Of products: the operands. */
  | 'a'
  | 'b';

/** One WGSL module with one entry point `main`, and what a host must know to run it. Text and bindings derive from the plan alone. */
export interface Program {
  /** Short and stable, for labels, profiles and messages: `SparseAttention.attend`. */
  readonly name: string;
  /** name + hash of code: two programs share a pipeline exactly when they share the text. */
  readonly key: string;
  readonly code: string;
  /** The role at index i is at `@group(0) @binding(i)`. Binding 0 is `params`. */
  readonly bindings: readonly BindingRole[];
  /** Roles the program writes (`var<storage, read_write>`). */
  readonly writes: readonly BindingRole[];
  readonly workgroupBytes: number;
  readonly invocations: number;
}

/** Records `begin ≤ i < end` of a section of the schedule: items of row tiles or of key tiles, and merges of their parts. */
export interface Range {
  readonly of: 'items' | 'merges' | 'keyItems' | 'keyMerges';
  readonly begin: number;
  readonly end: number;
  /** Tiles that the items visit, on each line of the grid; null for merges. */
  readonly weight: number | null;
  /** Predicted milliseconds of them on all lines, on the GPU of the plan's device when it has nothing else to do. 0 for merges, and for what repairs the few rows that need it. */
  readonly ms: number;
}

/** One dispatch of a program. Launches run in order; each sees what the earlier ones wrote. */
export interface Launch {
  readonly program: Program;
  readonly grid: readonly [number, number, number];
  /** What the second dimension of the grid counts, a few workgroups each; absent where a program reads no records. */
  readonly range?: Range;
  /** Buffers that are bound in place of those of other roles. */
  readonly instead?: Partial<Record<BindingRole, BindingRole>>;
  /** Its range in shorter ones, each of at most `ms` predicted milliseconds or a single item. There where `range` is. */
  cut?(ms: number): readonly LaunchPart[];
  /** The bytes of the `params` uniform for a call. Sizes of the plan are in it already. */
  params(call: CallParams): ArrayBuffer;
}

/** What differs between launches over parts of a range. */
export type LaunchPart = Required<Pick<Launch, 'grid' | 'range' | 'params' | 'cut'>>;

/** Where heads stand in the shape of a tensor: [batch, heads, length, dim] or [batch, length, heads, dim]. */
export type Layout = 'bhld' | 'blhd';

/** Heads among those of larger tensors [batch, length, rows, headDim]: how many rows a token has, and which is that of head 0. */
export interface Within {
  readonly queryRows: number;
  readonly queryFirst: number;
  /** Of the tensor that holds keys, and of the one that holds values: the same, mostly. */
  readonly keyRows: number;
  readonly keyFirst: number;
  readonly valueFirst: number;
}

/** What a call adds to a plan: its scale, its layout, and numbers of its terms, which these add to this interface. */
export interface CallParams {
  readonly scale: number;
  /** Default `bhld`. */
  readonly layout?: Layout;
  /** Query, key and value lie among other rows of larger tensors. Beside the layout `blhd`, and values of headDim features. */
  readonly within?: Within | undefined;
  /** Products count in multiples of it. */
  readonly softcap?: number;
}
