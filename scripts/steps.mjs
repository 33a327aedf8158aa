// Runs commands as steps and counts what they proved: every jasmine spec is one, any other command is one.
import {spawn} from 'node:child_process';
import {fileURLToPath} from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** True when the module at `url` (its `import.meta.url`) is the program that was started. */
export const isMain = (url) => process.argv[1] === fileURLToPath(url);

/**
 * Runs `command` in the project's root and keeps its output.
 *
 * @param {{name: string, command: string[], env?: Record<string, string>, minutes?: number, live?: boolean}} step
 *     `minutes`: after this long the step and all its children are killed and count as one failure; `live`: show the output as it comes.
 * @returns {Promise<{name: string, passed: number, failed: number, seconds: number, output: string}>}
 */
export function runStep({name, command, env = {}, minutes = 10, live = false}) {
  const start = Date.now();
  const [file, ...args] = command;
  return new Promise((resolve) => {
    // Its own process group, so that a hung browser dies with the runner that started it.
    const child = spawn(file, args, {cwd: ROOT, env: {...process.env, ...env}, stdio: ['ignore', 'pipe', 'pipe'], detached: true});
    let output = '';
    const keep = (stream) => (chunk) => {
      output += chunk;
      if (live) stream.write(chunk);
    };
    child.stdout.on('data', keep(process.stdout));
    child.stderr.on('data', keep(process.stderr));
    const stop = (signal) => {
      try {
        process.kill(-child.pid, signal);
      } catch {
        // The group is gone already.
      }
    };
    const watchdog = setTimeout(() => {
      keep(process.stderr)(`\n${name}: stopped after ${minutes} minutes\n`);
      stop('SIGKILL');
    }, minutes * 60_000);
    const interrupted = () => {
      stop('SIGKILL');
      process.exit(130);
    };
    process.once('SIGINT', interrupted);
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

/** Jasmine and karma say how many specs ran; a command that fails for another reason is one failure more. */
function count(output, ok) {
  const jasmine = [...output.matchAll(/^(\d+) specs?, (\d+) failures?/gm)].at(-1);
  const karma = [...output.matchAll(/Executed (\d+) of \d+(?: \((\d+) FAILED\))?/g)].at(-1);
  const [, specs = '0', failures = '0'] = jasmine ?? karma ?? [];
  if (!jasmine && !karma) return {passed: ok ? 1 : 0, failed: ok ? 0 : 1};
  const failed = Number(failures) || (ok ? 0 : 1);
  return {passed: Math.max(0, Number(specs) - Number(failures)), failed};
}

/** Runs `steps` two at a time: the smallest machine this is meant for has two cores. */
export async function runSteps(steps) {
  const queue = [...steps.entries()];
  const results = [];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results[next[0]] = await runStep(next[1]);
  };
  await Promise.all([worker(), worker()]);
  return results;
}

/** Prints the output of what failed, then one line for each step. */
export function printResults(results) {
  for (const {name, failed, output} of results) if (failed > 0) console.log(`\n──── ${name}\n${output.trimEnd()}`);
  console.log('');
  for (const {name, passed, failed, seconds} of results) {
    const verdict = failed > 0 ? `${failed} failed` : 'ok';
    console.log(
      `${name.padEnd(36)} ${String(passed).padStart(6)} passed  ${verdict.padEnd(10)} ${seconds.toFixed(1).padStart(6)} s`,
    );
  }
}
