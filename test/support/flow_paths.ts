import type {Flow, Step} from '../../src/wgsl/tile/flow.js';

/**
 * The ways through a kernel when loops make up to `trips` trips. Up to two trips of a loop take every pair of ways through its body, more
 * of them the same way.
 */
export function pathsOf(flow: readonly Flow[], trips: number, isLast = true): Step[][] {
  let paths: Step[][] = [[]];
  for (const each of flow) {
    const next = waysThrough(each, trips, isLast);
    paths = paths.flatMap((path) => next.map((way) => [...path, ...way]));
  }
  return paths;
}

function waysThrough(each: Flow, trips: number, isLast: boolean): Step[][] {
  if (!('open' in each)) return [[each]];
  if (each.runs === 'once') return pathsOf(each.body, trips, isLast);
  if (each.runs === 'between') return isLast ? [[]] : pathsOf(each.body, trips);
  const [earlier, last] = [pathsOf(each.body, trips, false), pathsOf(each.body, trips, true)];
  const ways: Step[][] = each.runs === 'any' ? [[], ...last] : [...last];
  if (trips >= 2) for (const first of earlier) for (const second of last) ways.push([...first, ...second]);
  for (let more = 3; more <= trips; more++)
    earlier.forEach((way, index) => ways.push([...Array.from({length: more - 1}, () => way).flat(), ...last[index]!]));
  return ways;
}

/** The steps of a kernel in the order of its text. */
export const stepsOf = (flow: readonly Flow[]): Step[] => flow.flatMap((each) => ('open' in each ? stepsOf(each.body) : [each]));
