// Installs the packages of this checkout. Runs on any Node.js from 20, before anything is installed,
// so it is plain JavaScript and imports nothing but Node.js itself. The caller holds the lock.
import { spawn } from 'node:child_process';
import { chmod, copyFile, link, mkdir, readFile, rm, stat, statfs, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const modules = join(root, 'node_modules');
const lockFile = join(root, 'package-lock.json');
const runtime = join(modules, 'node', 'bin', 'node');
const NEEDED_MIB = 1200;

const say = (line) => process.stderr.write(`${line}\n`);

/** An error whose message is all that a person needs. */
class InstallError extends Error {}

async function readJson(file) {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Whether node_modules holds what the lock file asks for, as npm's own record of it tells. */
async function matchesLock() {
  const [wanted, found] = await Promise.all([
    readJson(lockFile),
    readJson(join(modules, '.package-lock.json')),
  ]);
  if (!wanted?.packages)
    throw new InstallError(`${lockFile} cannot be read. Restore it with git and run this again.`);
  if (!found?.packages) return false;
  return Object.entries(wanted.packages).every(([path, entry]) => {
    if (!path.startsWith('node_modules/') || entry.optional || entry.devOptional) return true;
    const have = found.packages[path];
    return have !== undefined && (entry.link ? have.link === true : have.version === entry.version);
  });
}

let child;
let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    stopping = true;
    if (!child) process.exit(1);
    // npm finishes what it is at before it heeds a SIGTERM; nothing that it leaves is relied on.
    endGroup('SIGTERM');
    setTimeout(() => endGroup('SIGKILL'), 1_000);
  });
}

function endGroup(signal) {
  try {
    if (child) process.kill(-child.pid, signal);
  } catch {
    // It has just ended by itself.
  }
}

/** Runs npm in a process group of its own, so that stopping it stops what it started. */
function npm(args, title) {
  return new Promise((resolve, reject) => {
    const started = Date.now();
    say(`${title} …`);
    child = spawn('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-20_000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const seconds = () => Math.round((Date.now() - started) / 1000);
    const progress = setInterval(() => say(`  still at it (${seconds()} s)`), 10_000);
    child.on('error', (error) => {
      clearInterval(progress);
      child = undefined;
      reject(
        new InstallError(
          `npm cannot be started (${error.code ?? error.message}). Install npm and run this again.`,
        ),
      );
    });
    child.on('close', (code) => {
      clearInterval(progress);
      child = undefined;
      if (stopping) reject(new InstallError('Interrupted. The next run installs the packages again.'));
      else if (code === 0) {
        say(`  done in ${seconds()} s`);
        resolve();
      } else reject(new InstallError(explain(output, code), { cause: output }));
    });
  });
}

/** npm's error codes, in words that say what to do. */
function explain(output, code) {
  const lines = output.trim().split('\n');
  const tail = [...lines.slice(0, 5), ...(lines.length > 15 ? ['…'] : []), ...lines.slice(5).slice(-10)].join(
    '\n',
  );
  const known = [
    [/ENOSPC/, 'The disk is full. Free some space and run this again.'],
    [
      /EROFS|EACCES|EPERM/,
      `npm may not write in ${root}. Run it as the owner of the checkout, on a file system that can be written.`,
    ],
    [
      /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT/,
      'The npm registry cannot be reached. Check the network (and the proxy in the npm configuration) and run this again.',
    ],
    [
      /E401|E403/,
      'The npm registry refused the request. Check the registry and the credentials in the npm configuration.',
    ],
    [
      /EUSAGE|npm ci.*can only install/,
      'package.json and package-lock.json do not fit together. Restore both with git, or run npm install.',
    ],
    [/EINTEGRITY/, 'A package arrived damaged. Run npm cache clean --force, then this again.'],
  ].find(([pattern]) => pattern.test(output));
  return `${tail}\n\nnpm failed with exit code ${code}. ${known ? known[1] : 'The lines above say why; run this again when that is mended.'}`;
}

async function checkSpace() {
  const { bavail, bsize } = await statfs(root);
  const freeMiB = Math.floor((bavail * bsize) / 1024 / 1024);
  if (freeMiB < NEEDED_MIB) {
    throw new InstallError(
      `Only ${freeMiB} MiB are free in ${root}, and the packages need about ${NEEDED_MIB} MiB. Free some space and run this again.`,
    );
  }
}

const runs = async (file) => (await stat(file).catch(() => undefined))?.size > 0;

/**
 * The Node.js that runs ClaraTeach comes by the install script of npm's `node` package. Where npm is
 * set to hold install scripts back, the same package that the script would fetch is put in its place.
 */
async function ensureRuntime() {
  if (await runs(runtime)) return;
  const { version } = (await readJson(join(modules, 'node', 'package.json'))) ?? {};
  if (!version)
    throw new InstallError('npm installed no Node.js package. Remove node_modules and run this again.');
  const name = `node-${process.platform}-${process.arch}`;
  const home = join(modules, '.clarateach-node');
  await npm(
    ['install', '--prefix', home, '--no-save', '--no-package-lock', `${name}@${version}`],
    `Fetching Node.js ${version} for ${process.platform} ${process.arch}`,
  );
  const binary = join(home, 'node_modules', name, 'bin', 'node');
  await mkdir(dirname(runtime), { recursive: true });
  await rm(runtime, { force: true });
  await link(binary, runtime).catch(() => copyFile(binary, runtime));
  await chmod(runtime, 0o755);
  await mkdir(join(modules, '.bin'), { recursive: true });
  await symlink(join('..', 'node', 'bin', 'node'), join(modules, '.bin', 'node')).catch((error) => {
    if (error.code !== 'EEXIST') throw error;
  });
}

try {
  if (!(await matchesLock())) {
    await checkSpace();
    await npm(['ci'], 'Installing the packages (the first run takes about a minute)').catch((error) => {
      // A registry that lacks packages for other platforms makes npm doubt the lock file. This way
      // it installs what the lock file says without that check, and leaves the file alone.
      if (!/EUSAGE/.test(error.cause)) throw error;
      return npm(['install', '--no-save'], 'Installing without the check of the lock file');
    });
  }
  await ensureRuntime();
  await copyFile(lockFile, join(modules, '.clarateach-lock'));
} catch (error) {
  const full = error.code === 'ENOSPC' ? 'The disk is full. Free some space and run this again.' : undefined;
  say(`clarateach: ${error instanceof InstallError ? error.message : (full ?? error.stack)}`);
  process.exit(1);
}
