import {
  compile,
  compiling,
  compileMaskTensor,
  compressLines,
  hashNode,
  holdsLongMask,
  isPlain,
  isWide,
  type Acsr,
  type Compiled,
  type CompileOptions,
  type Device,
  type Lines,
  type Pattern,
  type Problem,
} from '../../pure.js';
import {hash, keyOf, Lru, Recent} from '../../support/index.js';
import {keptInSlices} from '../host/in_slices.js';

const MAX_PLANS = 64;
/** Patterns of any size cache well in this; a dense plan of n = 16384 alone takes 32 MiB of mask bits. */
const MAX_BYTES = 2 ** 28;

const plans = new Lru<string, Compiled>({entries: MAX_PLANS, weight: MAX_BYTES, weigh: bytesOfPlan});
const lines = new Lru<string, Lines>({entries: MAX_PLANS, weight: MAX_BYTES, weigh: bytesOfLines});

interface PlanOf {
  readonly problem: Problem;
  readonly device: Device;
  readonly options: CompileOptions;
}
type PlanRequest = readonly [pattern: Pattern, problem: Problem, device: Device, options: CompileOptions];

/** A model calls with one pattern in a few shapes. */
const MOST_KEYS = 8;
const keys = new WeakMap<Pattern, Recent<PlanOf, string>>();

function planKey(request: PlanRequest): string {
  const [pattern, problem, device, options] = request;
  const of = {problem, device, options};
  let known = keys.get(pattern);
  if (known === undefined) keys.set(pattern, (known = new Recent(MOST_KEYS)));
  return known.get(of) ?? known.set(of, spelled(...request));
}

const spelled = (...[pattern, problem, device, options]: PlanRequest): string =>
  [patternKey(pattern), keyOf(problem), deviceKey(device), keyOf(options)].join('|');

/** The compiled plan of a call, from the cache when an equal call was planned before. */
export function compiledPlan(...request: PlanRequest): Compiled {
  const key = planKey(request);
  return plans.get(key) ?? plans.set(key, compile(...request));
}

const coming = new Map<string, Promise<Compiled>>();

/** The same in slices, between which the page has its turn. */
export const planInSlices = (...request: PlanRequest): Promise<Compiled> =>
  keptInSlices(plans, coming, planKey(request), () => compiling(...request));

/** The same for a mask tensor. */
export function compiledMaskTensor(
  problem: Problem,
  device: Device,
  maskShape: readonly [number, number, number, number],
  options: CompileOptions,
): Compiled {
  const key = ['a mask tensor', keyOf(maskShape), keyOf(problem), deviceKey(device), keyOf(options)].join('|');
  return plans.get(key) ?? plans.set(key, compileMaskTensor(problem, device, maskShape, options));
}

/** The rows of a call, for backends that need no plan. */
export function compressedLines(pattern: Pattern, {queryLength, keyLength, queryOffset, heads, keyHeads, batch}: Problem): Lines {
  const lengths = {queryLength, keyLength, queryOffset};
  const counts = {heads, keyHeads, batch};
  const key = [patternKey(pattern), keyOf(isPlain(pattern.node) ? lengths : {...lengths, ...counts})].join('|');
  return lines.get(key) ?? lines.set(key, compressLines(pattern, {...lengths, ...counts}));
}

/** Entries of the two caches together, for tests. */
export const cacheSize = (): number => plans.size + lines.size;

/** Patterns of longer text are told apart by a hash, which is made once for each object. */
const LONG_TEXT = 1000;
const hashes = new WeakMap<Pattern, string>();

function patternKey(pattern: Pattern): string {
  const known = hashes.get(pattern);
  if (known !== undefined) return known;
  const text = holdsLongMask(pattern.node) ? undefined : pattern.toString();
  if (text !== undefined && text.length <= LONG_TEXT) return text;
  const made = `pattern ${text === undefined ? hashNode(pattern.node) : hash(text) + hash(`again: ${text}`)}`;
  hashes.set(pattern, made);
  return made;
}

const deviceKeys = new WeakMap<Device, string>();

function deviceKey(device: Device): string {
  let key = deviceKeys.get(device);
  if (key === undefined) deviceKeys.set(device, (key = keyOf(device)));
  return key;
}

function bytesOfPlan({plan, lines}: Compiled): number {
  const rows = lines?.rows ?? [];
  return rows.reduce((sum, acsr) => sum + bytesOfPlanned(acsr, plan.problem), plan.schedule.byteLength);
}

/** Of rows that recur only TensorFlow.js ops read more than one period. */
function bytesOfPlanned(acsr: Acsr, problem: Problem): number {
  const {recurrence, recurringBits} = acsr;
  if (recurringBits !== undefined && !isWide(problem)) return recurringBits.words.byteLength;
  if (recurrence === undefined || isWide(problem)) return bytesOfRows(acsr);
  const {rowRuns, start, stride, count, most, clip} = recurrence;
  return bytesOf([rowRuns, start, stride, count, most, ...(clip === null ? [] : [clip.low, clip.high])]);
}

function bytesOfLines({rows}: Lines): number {
  return rows.reduce((sum, acsr) => sum + bytesOfRows(acsr), 0);
}

function bytesOfRows({rowRuns, start, stride, count, irregularRows, bits}: Acsr): number {
  return bytesOf([rowRuns, start, stride, count, irregularRows, bits]);
}

const bytesOf = (arrays: readonly {readonly byteLength: number}[]): number =>
  arrays.reduce((sum, {byteLength}) => sum + byteLength, 0);
