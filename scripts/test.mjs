// `npm test`: everything, from a bare clone. Prints a line for each step, then the output of what failed, and last of all the sum.
import {ensureInstalled} from './ensure_installed.mjs';

ensureInstalled();
// Only now: these need what was installed.
const {CHECKS} = await import('./check.mjs');
const {printFailures, runSteps} = await import('./steps.mjs');

const npm = (script, name, minutes) => ({name, minutes, command: ['npm', 'run', '--silent', script]});

// Not docs/images/demo.png, which shows a longer text.
const SCREENSHOT = 'node_modules/.cache/tfjs-splat/demo.png';

const results = await runSteps([...CHECKS, npm('build', 'build')]);
// One after the other: each keeps both cores busy compiling and running shaders in software.
const slow = [
  {name: 'package', command: ['node', 'scripts/check_pack.mjs']},
  {name: 'script tags', command: ['node', 'scripts/test_script_tags.mjs']},
  {name: 'npm start', command: ['node', 'scripts/start.mjs', '--headless', '--tokens', '64', '--screenshot', SCREENSHOT]},
  npm('test:gpu', 'GPU tests in Node', 30),
  npm('test:browser', 'GPU tests in Chromium', 30),
];
results.push(...(await runSteps(slow, 1)));

const {passed, failed} = printFailures(results);
console.log(`\n${passed} passed, ${failed} failed`);
