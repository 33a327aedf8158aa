// Runs commands as steps and counts what they proved: every jasmine spec is one, any other command is one.
import {spawn} from 'node:child_process';
import {realpathSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** @typedef {{name: string, command: string[], minutes?: number}} Step */
/** @typedef {{name: string, passed: number, failed: number, seconds: number, output: string}} Result */

/**
 * True when the module at `url` (its `import.meta.url`) is the program that was started.
 *
 * @param {string} url
 */
export const isMain = (url) => realpathSync(process.argv[1]) === fileURLToPath(url);

/**
 * Runs `command` in the project's root and keeps its output.
 *
 * @param {Step} step `minutes`: after this long the step and all its children are
 *     killed, and it counts as failed.
 * @returns {Promise<Result>}
 */
function runStep({name, command, minutes = 10}) {
  const start = Date.now();
  const [file, ...args] = command;
  return new Promise((resolve) => {
    // Its own process group, so that a hung browser dies with the runner that started it.
    const child = spawn(file, args, {cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], detached: true});
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    /** @param {NodeJS.Signals} signal */
    const stop = (signal) => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, signal);
      } catch {
        // The group is gone already.
      }
    };
    const watchdog = setTimeout(() => {
      output += `\nStopped after ${minutes} minutes.\n`;
      stop('SIGKILL');
    }, minutes * 60_000);
    const interrupted = () => {
      stop('SIGKILL');
      process.exit(130);
    };
    process.once('SIGINT', interrupted);
    /** @param {boolean} ok */
    const finish = (ok) => {
      clearTimeout(watchdog);
      process.removeListener('SIGINT', interrupted);
      resolve({name, ...count(output, ok), seconds: (Date.now() - start) / 1000, output});
    };
    child.on('error', (error) => {
      output += String(error);
      finish(false);
    });
    child.on('close', (code) => finish(code === 0));
  });
}

/**
 * Jasmine and karma say how many specs ran; a command that fails without a failing spec is one failure.
 *
 * @param {string} output
 * @param {boolean} ok
 */
export function count(output, ok) {
  const jasmine = [...output.matchAll(/^(\d+) specs?, (\d+) failures?(?:, (\d+) pending)?/gm)].at(-1);
  const karma = [...output.matchAll(/Executed (\d+) of \d+(?: \((\d+) FAILED\))?/g)].at(-1);
  if (!jasmine && !karma) return {passed: ok ? 1 : 0, failed: ok ? 0 : 1};
  const [specs, failures, pending] = (jasmine ?? karma ?? []).slice(1).map((text) => Number(text ?? 0));
  return {passed: specs - failures - (pending ?? 0), failed: failures || (ok ? 0 : 1)};
}

/**
 * Runs `steps`, `workers` at a time, and prints a line for each as it ends. Two by default: the smallest machine this is meant for has
 * two cores.
 *
 * @param {Step[]} steps
 */
export async function runSteps(steps, workers = 2) {
  const queue = [...steps.entries()];
  /** @type {Result[]} */
  const results = [];
  const work = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, step] = next;
      results[index] = await runStep(step);
      printResult(results[index]);
    }
  };
  await Promise.all(Array.from({length: workers}, work));
  return results;
}

/** @param {Result} result */
function printResult({name, passed, failed, seconds}) {
  const verdict = failed > 0 ? `${failed} failed` : '';
  console.log(
    `${name.padEnd(28)} ${String(passed).padStart(5)} passed ${verdict.padStart(10)} ${seconds.toFixed(1).padStart(6)} s`,
  );
}

/**
 * Prints the whole output of every step that failed, and leaves the process with the exit code that says so.
 *
 * @param {Result[]} results
 */
export function printFailures(results) {
  for (const {name, failed, output} of results) if (failed > 0) console.log(`\n──── ${name}\n${output.trimEnd()}`);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = results.reduce((sum, result) => sum + result.failed, 0);
  if (failed > 0 || passed === 0) process.exitCode = 1;
  return {passed, failed};
}
