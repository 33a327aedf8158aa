// Lets `npm start` and `npm test` work on a bare clone: installs the packages when they are missing or older than package-lock.json.
// It runs before anything is installed, so it imports only Node.
import {spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Runs `npm ci` if need be; throws when that fails. */
export function ensureInstalled() {
  if (isInstalled()) return;
  console.log('Installing packages (npm ci) ...');
  // The npm that started this script, which is not always the first on the PATH.
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];
  const {status} = spawnSync([...npm, 'ci'][0], [...npm, 'ci'].slice(1), {cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit']});
  if (status !== 0) throw new Error('npm ci failed; its messages are above.');
}

/** Whether node_modules holds every package of package-lock.json in its version; packages for other systems may be absent. */
function isInstalled() {
  try {
    const wanted = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')).packages;
    // npm notes here what it installed.
    const present = JSON.parse(readFileSync(`${ROOT}node_modules/.package-lock.json`, 'utf8')).packages;
    return Object.entries(wanted).every(
      ([path, {version, optional}]) => path === '' || optional || present[path]?.version === version,
    );
  } catch {
    return false;
  }
}
