import {RACES, type Granted, type Message, type System} from './messages.js';

/** What one backend made of the specs. */
export interface Run {
  readonly system: System;
  /** By name; specs of one name are numbered from the second on. */
  readonly specs: Map<string, {readonly passed: boolean; readonly why: string}>;
  adapter: string;
  granted: Granted | null;
  devices: number;
  errors: number;
  seconds: number;
  /** What is wrong with the run as a whole. */
  readonly faults: string[];
}

export const newRun = (system: System): Run => ({
  system,
  specs: new Map(),
  adapter: '',
  granted: null,
  devices: 0,
  errors: 0,
  seconds: 0,
  faults: [],
});

/** Enters what a process told into the run of its backend. `files` says which specs it was given. */
export function enter(run: Run, files: string, messages: readonly Message[], exit: string | null): void {
  let open: string | null = null;
  let done = false;
  // Specs of one name are in one file, so they are numbered within a process.
  const seen = new Map<string, number>();
  for (const message of messages) {
    if (message.kind === 'ready') [run.adapter, run.granted] = [message.adapter, message.granted];
    else if (message.kind === 'started') open = message.name;
    else if (message.kind === 'spec') {
      const count = (seen.get(message.name) ?? 0) + 1;
      seen.set(message.name, count);
      const name = count === 1 ? message.name : `${message.name} (${count})`;
      if (run.specs.has(name)) run.faults.push(`two processes ran '${name}'`);
      run.specs.set(name, {passed: message.passed, why: message.why});
      open = null;
    } else {
      done = true;
      run.devices += message.devices;
      run.errors += message.errors;
      if (message.poorDevices > 0) run.faults.push(`${message.poorDevices} devices lack what was granted (${files})`);
      run.faults.push(...message.outside.map((why) => `outside of a spec: ${why} (${files})`));
    }
  }
  if (!done) run.faults.push(`a process ended early${open === null ? '' : ` in '${open}'`}: ${exit ?? 'no reason'} (${files})`);
}

export interface Comparison {
  readonly bothPass: number;
  readonly bothFail: readonly string[];
  /** A sentence each; none means that the two backends do the same. */
  readonly failures: readonly string[];
}

export function compare(stock: Run, splat: Run): Comparison {
  const failures = [stock, splat].flatMap(({system, faults}) => faults.map((fault) => `${system}: ${fault}`));
  if (stock.specs.size === 0) failures.push('stock: no spec ran');
  if (splat.granted === null) failures.push('splat: nothing was granted');
  else {
    const {offered, given} = splat.granted;
    const names = Object.keys(offered) as (keyof typeof offered)[];
    const kept = names.filter((name) => offered[name] && !given[name]);
    if (kept.length > 0) failures.push(`splat: the adapter has ${kept.join(' and ')}, and the backend does not`);
    if (!names.some((name) => given[name])) failures.push('splat: the device has nothing that the stock one lacks');
  }
  const bothFail: string[] = [];
  let bothPass = 0;
  for (const name of new Set([...stock.specs.keys(), ...splat.specs.keys()])) {
    const [a, b] = [stock.specs.get(name), splat.specs.get(name)];
    if (a === undefined || b === undefined) failures.push(`'${name}' ran on ${a ? 'stock' : 'splat'} alone`);
    else if (a.passed !== b.passed) failures.push(`'${name}' passes on ${a.passed ? 'stock' : 'splat'} alone: ${a.why}${b.why}`);
    else if (a.passed) bothPass++;
    else bothFail.push(`${name}: ${firstLine(a.why)}`);
  }
  return {bothPass, bothFail, failures};
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!.slice(0, 160);

/** The table, a line for each backend, and what there is to say of it. The last line is as jasmine has it, for those who count. */
export function report(runs: readonly Run[], {bothPass, bothFail, failures}: Comparison): string {
  const {adapter, granted} = runs.at(-1)!;
  const names = granted === null ? [] : Object.entries(granted.given).flatMap(([name, given]) => (given ? [name] : []));
  const heads = ['backend', 'specs', 'passed', 'failed', 'devices', 'GPU errors', 'seconds'];
  const rows = runs.map(({system, specs, devices, errors, seconds}) => {
    const passed = [...specs.values()].filter((spec) => spec.passed).length;
    return [system, specs.size, passed, specs.size - passed, devices, errors, seconds.toFixed(0)];
  });
  const line = (cells: readonly (string | number)[]): string =>
    cells.map((cell, i) => String(cell).padStart(i === 0 ? 8 : 11)).join('');
  return [
    `WebGPU adapter: ${adapter}`,
    `createWebGPUBackend granted: ${names.join(', ') || 'nothing'}. ${granted?.refused.join(' ') ?? ''}`,
    `Left out, for they pass or fail by chance: '${RACES.join("', '")}'.`,
    '',
    ...[heads, ...rows].map(line),
    ...(bothFail.length === 0
      ? []
      : ['', `These fail on both backends (${bothFail.length}):`, ...bothFail.map((text) => `  ${text}`)]),
    ...(failures.length === 0 ? [] : ['', `What is wrong (${failures.length}):`, ...failures.map((text) => `  ${text}`)]),
    '',
    `The two backends ${failures.length === 0 ? 'pass the same specs' : 'differ'}: ${bothPass} pass and ${bothFail.length} fail on both.`,
    `${bothPass + bothFail.length + failures.length} specs, ${failures.length} failures, ${bothFail.length} pending`,
  ].join('\n');
}
