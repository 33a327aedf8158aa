// test/gpu in headless Chromium; scripts/test_browser.mjs bundles the specs, finds the browser and starts karma with this.
import chromeLauncher from 'karma-chrome-launcher';
import jasmine from 'karma-jasmine';
import {findBrowser} from './scripts/browser.mjs';

/** Where the bundled specs lie. */
export const BUNDLE = 'node_modules/.cache/tfjs-splat/gpu_tests.js';

/** @param {{set: (options: import('karma').Options) => void}} config */
export default function configure(config) {
  const {executablePath, args, env} = findBrowser();
  // The launcher takes both from this process.
  process.env.CHROME_BIN = executablePath;
  Object.assign(process.env, env);
  config.set({
    frameworks: ['jasmine'],
    plugins: [jasmine, chromeLauncher],
    files: [{pattern: BUNDLE, watched: false}],
    browsers: ['Headless'],
    // Not ChromeHeadless: it turns the GPU process off. 127.0.0.1 is a secure context, so the page has navigator.gpu.
    customLaunchers: {Headless: {base: 'Chrome', flags: ['--headless', '--remote-debugging-port=0', ...args]}},
    listenAddress: '127.0.0.1',
    hostname: '127.0.0.1',
    client: {captureConsole: true, jasmine: {random: false}},
    browserConsoleLogOptions: {level: 'log', format: '%b %T: %m', terminal: true},
    reporters: ['dots'],
    colors: Boolean(process.stdout.isTTY),
    singleRun: true,
    autoWatch: false,
    captureTimeout: 120_000,
    // One spec may compile pipelines for two minutes; a browser silent for longer hangs.
    browserNoActivityTimeout: 180_000,
    browserDisconnectTimeout: 20_000,
    browserDisconnectTolerance: 1,
  });
}
