// `npm test`: everything, from a bare clone. Prints a line for each step, then the output of what failed, and last of all the sum.
import {ensureInstalled} from './ensure_installed.mjs';

ensureInstalled();
// Only now: these need what was installed.
const {CHECKS, LONG_UNIT_TESTS} = await import('./check.mjs');
const {whyNoFirefox} = await import('./firefox.mjs');
const {printFailures, runSteps} = await import('./steps.mjs');

/**
 * @param {string} script
 * @param {string} name
 * @param {number} [minutes]
 */
const npm = (script, name, minutes) => ({name, minutes, command: ['npm', 'run', '--silent', script]});

const results = await runSteps([LONG_UNIT_TESTS, ...CHECKS, npm('build', 'build')]);
// One after the other: they measure time, or keep both cores busy.
const slow = [
  {name: 'package', command: ['node', 'scripts/check_pack.mjs']},
  {name: 'import time', command: ['node', 'scripts/test_import_time.mjs']},
  {name: 'apps', command: ['node', 'scripts/test_apps.mjs']},
  // With its documentation, whose warnings are errors.
  {name: 'site', command: ['node', 'scripts/start.mjs', '--headless']},
  {name: 'crash of the GPU process', command: ['node', 'scripts/test_gpu_crash.mjs']},
  {name: 'long calls', command: ['node', 'scripts/test_long_calls.mjs']},
  {name: "tfjs-core's own specs", command: ['node', 'scripts/core_suite.mjs']},
];
results.push(...(await runSteps(slow, 1)));
// Side by side: a software adapter compiles on one core, so two of them take 12 minutes where they took 16 one after the other. Firefox
// comes when one of them is done.
const gpu = [npm('test:gpu', 'GPU tests in Node', 60), npm('test:browser', 'GPU tests in Chromium', 45)];
const missing = whyNoFirefox();
// On a machine of one's own Firefox is a choice. In CI it is not: there the step says what is missing, and fails.
if (missing === null || process.env.CI) gpu.push(npm('test:firefox', 'GPU tests in Firefox', 50));
else console.log(`GPU tests in Firefox: left out. ${missing}`);
results.push(...(await runSteps(gpu)));

const {passed, failed} = printFailures(results);
console.log(`\n${passed} passed, ${failed} failed`);
