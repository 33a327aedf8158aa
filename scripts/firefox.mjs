// Finds a Firefox that runs WebGPU without a display, and opens it on a page. No driver program: pages tell a local server what happens.
// Run by itself, it says whether there is one.
import {spawn} from 'node:child_process';
import {existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {delimiter, join} from 'node:path';
import {isExecutable} from './browser.mjs';
import {isMain, ROOT} from './steps.mjs';

const NAMES = ['firefox-esr', 'firefox'];
/** @type {Partial<Record<NodeJS.Platform, string[]>>} */
const PLACES = {
  darwin: ['/Applications/Firefox.app/Contents/MacOS/firefox'],
  win32: ['PROGRAMFILES', 'PROGRAMFILES(X86)'].map((variable) => join(process.env[variable] ?? '', 'Mozilla Firefox/firefox.exe')),
};
/** Where the Vulkan loader of Linux looks for drivers. */
const DRIVERS = ['/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d'];
/** Kept: compiled shaders make a second run twice as fast. */
const SHADERS = `${ROOT}node_modules/.cache/tfjs-splat/mesa`;

const PREFERENCES = {
  // Off on Linux in releases, and for adapters that are a CPU.
  'dom.webgpu.enabled': true,
  'dom.webgpu.workers.enabled': true,
  'gfx.webgpu.ignore-blocklist': true,
  // A spec may compute for a minute in one go.
  'dom.max_script_run_time': 0,
  'dom.max_chrome_script_run_time': 0,
  // No page but ours, and no word to anybody.
  'app.normandy.enabled': false,
  'app.update.auto': false,
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.sessionstore.resume_from_crash': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.healthreport.uploadEnabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'startup.homepage_welcome_url': '',
  'toolkit.startup.max_resumed_crashes': -1,
  'toolkit.telemetry.enabled': false,
};

/** @typedef {{program: string, env: Record<string, string>}} Firefox `env`: what it needs beside the environment of this process. */

/**
 * The Firefox named by FIREFOX_BIN, else the system's, with Mesa's software driver where that is there: the same answer on every machine.
 *
 * @returns {Firefox}
 * @throws Error that names what to install.
 */
export function findFirefox() {
  const {FIREFOX_BIN, PATH = '', VK_DRIVER_FILES, VK_ICD_FILENAMES} = process.env;
  const onPath = PATH.split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const program = FIREFOX_BIN || [...onPath, ...(PLACES[process.platform] ?? [])].find(isExecutable);
  const debian = 'On Debian: apt-get install firefox-esr mesa-vulkan-drivers';
  if (!program) throw new Error(`No Firefox: install it, or name one in FIREFOX_BIN. ${debian}`);
  if (FIREFOX_BIN && !isExecutable(program)) throw new Error(`No Firefox: FIREFOX_BIN names ${program}, which is no program.`);
  if (process.platform !== 'linux') return {program, env: {}};
  const driver = VK_DRIVER_FILES || VK_ICD_FILENAMES || softwareDriver();
  if (!driver) throw new Error(`No Vulkan driver for Firefox: install Mesa's, or name one in VK_DRIVER_FILES. ${debian}`);
  mkdirSync(SHADERS, {recursive: true});
  return {program, env: {VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver, MESA_SHADER_CACHE_DIR: SHADERS}};
}

/** @returns {string | null} what to install before Firefox can be used. */
export function whyNoFirefox() {
  try {
    findFirefox();
    return null;
  } catch (error) {
    return /** @type {Error} */ (error).message;
  }
}

const softwareDriver = () =>
  DRIVERS.filter(existsSync)
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
    .find((file) => /lvp_icd.*\.json$/.test(file));

/**
 * Opens a page in a Firefox of its own, with a fresh profile.
 *
 * @param {Firefox} firefox
 * @param {string} url
 * @returns {import('./told_pages.mjs').Browser} `ended`: how it ended, if it does so by itself, and what it said.
 */
export function openFirefox({program, env}, url) {
  const home = mkdtempSync(join(tmpdir(), 'tfjs-splat-firefox-'));
  const profile = join(home, 'profile');
  mkdirSync(profile);
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  writeFileSync(join(profile, 'user.js'), lines.join('\n'));
  const child = spawn(program, ['--headless', '--no-remote', '--profile', profile, url], {
    // As root, Firefox refuses the home folder of somebody else, and Vulkan drivers want a writable place of their own.
    env: {...process.env, ...env, HOME: home, XDG_RUNTIME_DIR: home, MOZ_CRASHREPORTER_DISABLE: '1'},
    // In the group of this process, so that whoever kills the group kills Firefox.
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said = (said + chunk).slice(-4000)));
  /** @type {Promise<string>} */
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve(`Firefox did not start: ${error.message}`));
    child.on('exit', (code, signal) => resolve(`Firefox ended by itself (${signal ?? code}). ${said.trim()}`));
  });
  const close = async () => {
    child.kill('SIGKILL');
    await ended;
    // Its other processes write for a moment longer.
    rmSync(home, {recursive: true, force: true, maxRetries: 20, retryDelay: 100});
  };
  return {ended, close};
}

if (isMain(import.meta.url)) {
  const missing = whyNoFirefox();
  console.log(missing ?? `Firefox is ${findFirefox().program}.`);
  process.exitCode = missing === null ? 0 : 1;
}
