import {lines} from '../text/text.js';

/** A part of workgroup memory, in units of 16 bytes. Parts may overlap: that is what barriers are for. */
export interface Region {
  readonly begin: number;
  readonly end: number;
  /**
   * Touched by whole subgroups at once, each in its own slice, as matrix loads and stores do: two such steps need no barrier between
   * them, for a subgroup executes them in order.
   */
  readonly collective?: boolean;
}

/** One step of a kernel: what it reads and writes of workgroup memory, and its text. */
export interface Step {
  /** Printed as a comment; '' is none. */
  readonly name: string;
  readonly reads: readonly Region[];
  readonly writes: readonly Region[];
  readonly code: string;
}

/** A loop or a condition: its text up to the brace that opens it, and what stands inside. */
export interface Block {
  readonly open: string;
  readonly body: readonly Flow[];
  /** How often the body may run: any number of times, once at least, exactly once, or in each trip of the loop around it but the last. */
  readonly runs: 'any' | 'some' | 'once' | 'between';
}

/** A kernel as a tree in the order of its text. What is printed, where barriers stand and which ways lead through are read off it. */
export type Flow = Step | Block;

/** Text that touches no workgroup memory. */
export const plain = (code: string): Step => ({name: '', reads: [], writes: [], code});

/** The text of a kernel: its steps by name, a barrier in front of those that need one. This is the only place that writes barriers. */
export function textOf(flow: readonly Flow[]): string {
  const barriers = placeBarriers(flow);
  const printed = (each: Flow): string => {
    if ('open' in each) return lines(each.open, ...each.body.map(printed), '}');
    const {name, code} = each;
    if (code === '') return '';
    return lines(name === '' ? '' : `// ${name}`, barriers.has(each) ? 'workgroupBarrier();' : '', code);
  };
  return lines(...flow.map(printed));
}

/**
 * The steps that need a workgroup barrier in front: those that touch memory which another invocation may still be using since the last
 * barrier. Each trip of a loop after the second meets what the second met.
 */
export function placeBarriers(flow: readonly Flow[]): ReadonlySet<Step> {
  const needed = new Set<Step>();
  // What may have run since the last barrier, behind `each` and in front of it.
  const behind = (each: Flow, since: ReadonlySet<Step>, isLast: boolean): ReadonlySet<Step> => {
    if (!('open' in each)) {
      if ([...since].some((earlier) => conflicts(earlier, each))) needed.add(each);
      return needed.has(each) ? new Set([each]) : new Set([...since, each]);
    }
    const trip = (before: ReadonlySet<Step>, last: boolean): ReadonlySet<Step> =>
      each.body.reduce((now, step) => behind(step, now, last), before);
    if (each.runs === 'between') return isLast ? since : trip(since, false);
    if (each.runs === 'once') return trip(since, isLast);
    // Twice, for later trips may place barriers that the first then meets.
    const later = (): ReadonlySet<Step> => new Set([...trip(since, false), ...trip(trip(since, false), false)]);
    trip(later(), true);
    const before = new Set([...since, ...later()]);
    const after = trip(before, true);
    return each.runs === 'any' ? new Set([...since, ...after]) : after;
  };
  flow.reduce((since, each) => behind(each, since, true), new Set<Step>() as ReadonlySet<Step>);
  return needed;
}

/** Two steps race when one writes what the other reads or writes. */
function conflicts(a: Step, b: Step): boolean {
  const meet = (left: readonly Region[], right: readonly Region[]): boolean =>
    left.some((x) => right.some((y) => x.begin < y.end && y.begin < x.end && !(x.collective && y.collective)));
  return meet(a.writes, b.reads) || meet(a.writes, b.writes) || meet(a.reads, b.writes);
}
