// Finds a Chromium that runs WebGPU without a display, for karma, the demo's headless run and the browser tests.
import {execFileSync} from 'node:child_process';
import {accessSync, constants, existsSync} from 'node:fs';
import {delimiter, join} from 'node:path';
import {canUnpack, unpackChromium} from './unpack_chromium.mjs';

const NAMES = ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser', 'microsoft-edge', 'microsoft-edge-stable'];
/** @type {Partial<Record<NodeJS.Platform, string[]>>} */
const PLACES = {
  darwin: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
  ],
  win32: ['PROGRAMFILES', 'PROGRAMFILES(X86)', 'LOCALAPPDATA'].flatMap((variable) => [
    join(process.env[variable] ?? '', 'Google/Chrome/Application/chrome.exe'),
    join(process.env[variable] ?? '', 'Microsoft/Edge/Application/msedge.exe'),
  ]),
};

/** SwiftShader even where there is a GPU: the same answer on every machine. Pages must come from http://127.0.0.1 to have WebGPU. */
const ARGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  // It talks to nobody but the page's server.
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-first-run',
  '--no-default-browser-check',
  '--no-pings',
  // A hidden page is not slowed down.
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  // A container's /dev/shm is often 64 MB.
  '--disable-dev-shm-usage',
];

/**
 * The browser named by CHROME_BIN, else the system's Chrome, Chromium or Edge, else the one that an npm package carries (x64 Linux).
 *
 * @returns {{executablePath: string, args: string[], env: NodeJS.ProcessEnv}} For playwright's `launch({...found, headless: true})`;
 *     karma starts `executablePath` with `--headless` before `args`. `env` is the whole environment for the browser.
 */
export function findBrowser() {
  const executablePath = process.env.CHROME_BIN || installed();
  if (executablePath) return {executablePath, args: ARGS, env: {...process.env}};
  if (!canUnpack()) throw new Error('No browser: install Chrome, Chromium or Edge, or name one in CHROME_BIN.');
  const folder = unpackChromium();
  const env = {...process.env};
  // Its own libraries and fonts only where the system lacks them.
  if (!starts(join(folder, 'chromium')))
    env.LD_LIBRARY_PATH = [join(folder, 'lib'), env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  if (!existsSync('/etc/fonts/fonts.conf')) env.FONTCONFIG_PATH = folder;
  return {executablePath: join(folder, 'chromium'), args: ARGS, env};
}

function installed() {
  const onPath = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [...onPath, ...(PLACES[process.platform] ?? [])].find(isExecutable);
}

/** @param {string} path */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param {string} path */
function starts(path) {
  try {
    execFileSync(path, ['--version'], {stdio: 'ignore', timeout: 30_000});
    return true;
  } catch {
    return false;
  }
}
