import {fork} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {compare, enter, newRun, report, type Run} from './compare.js';
import {SYSTEMS, type Message, type System} from './messages.js';

/** Files of specs in one process: what a crash takes along, against a second for each start. */
const FILES = 24;
const PROCESSES = 2;
const MINUTES = 5;

/** What a run needs to find: the bundle of the specs, the module that gives Node its `navigator.gpu`, and the names of all files. */
export interface Suite {
  readonly specs: URL;
  readonly gpu: URL;
  readonly files: readonly string[];
}

/**
 * Runs files of specs on both backends, prints a line for each backend and what differs, and sets the exit code. `names` are
 * those of the files to run, all without any.
 */
export async function run({specs, gpu, files: all}: Suite, names: readonly string[]): Promise<void> {
  const files = choose(all, names);
  const runs = SYSTEMS.map(newRun) as [Run, Run];
  const chunks = Array.from({length: Math.ceil(files.length / FILES)}, (_, i) => files.slice(FILES * i, FILES * (i + 1)));
  const queue = chunks.flatMap((chunk) => runs.map((one) => ({one, chunk})));
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const {one, chunk} = next;
      const start = performance.now();
      const {messages, exit} = await inProcess(specs, gpu, one.system, chunk);
      one.seconds += (performance.now() - start) / 1000;
      enter(one, `${chunk[0]} to ${chunk.at(-1)}`, messages, exit);
    }
  };
  await Promise.all(Array.from({length: PROCESSES}, work));
  const comparison = compare(...runs);
  console.log(report(runs, comparison));
  process.exitCode = comparison.failures.length === 0 ? 0 : 1;
}

function choose(all: readonly string[], names: readonly string[]): readonly string[] {
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`No file of specs is called '${unknown}'. They are ${all.join(', ')}.`);
  return names.length === 0 ? all : names;
}

function inProcess(
  specs: URL,
  gpu: URL,
  system: System,
  names: readonly string[],
): Promise<{messages: Message[]; exit: string | null}> {
  const messages: Message[] = [];
  let output = '';
  const child = fork(fileURLToPath(specs), [system, ...names], {
    execArgv: ['--import', gpu.href],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    timeout: MINUTES * 60_000,
    killSignal: 'SIGKILL',
  });
  child.stdout!.on('data', (text) => (output += text));
  child.stderr!.on('data', (text) => (output += text));
  child.on('message', (message) => messages.push(message as Message));
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      const last = output.trim().split('\n').slice(-3).join(' ');
      resolve({messages, exit: code === 0 ? null : `${signal ?? `exit ${code}`} ${last}`});
    });
  });
}
