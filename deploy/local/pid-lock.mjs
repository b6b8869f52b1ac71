// A lock file that dies with its process. Plain JavaScript, because set-up runs before Node 24 and any package is there.
import { randomBytes } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Takes the lock, or tells who holds it. A lock whose process is gone, also by kill -9 or a reboot, is taken over,
 * unless one of its `workers` (see `identify`) still lives.
 * @param {string} path of the lock file; its folder is made
 * @param {Record<string, unknown>} [about] what others read in it
 * @returns {{ held: true, release(): void, update(about: Record<string, unknown>): void } | { held: false, owner: Record<string, unknown> & { pid: number } }}
 */
export function takeLock(path, about = {}) {
  mkdirSync(dirname(path), { recursive: true });
  const me = { ...identify(process.pid), nonce: randomBytes(8).toString('hex') };
  const own = `${path}.${process.pid}.${me.nonce}`;
  const text = (more) => `${JSON.stringify({ ...about, ...more, ...me })}\n`;
  for (let round = 0; round < 100; round += 1) {
    // A link is made whole or not at all, so nobody ever reads half a lock.
    writeFileSync(own, text({}), { mode: 0o600 });
    try {
      linkSync(own, path);
      rmSync(own);
      return {
        held: true,
        release: () => { if (readLock(path)?.nonce === me.nonce) rmSync(path, { force: true }); },
        update: (more) => { writeFileSync(own, text(more), { mode: 0o600 }); renameSync(own, path); },
      };
    } catch (error) {
      rmSync(own, { force: true });
      if (error.code !== 'EEXIST') throw error;
    }
    const owner = readLock(path);
    if (owner !== undefined && isHeld(owner)) return { held: false, owner };
    setAside(path, owner);
  }
  throw new Error(`${path}: cannot take this lock; remove the file if nothing uses it`);
}

/** Reads a lock file. @param {string} path @returns {any} its content, or undefined when there is none */
export function readLock(path) {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8'));
    return Number.isInteger(value?.pid) ? value : { pid: 0 };
  } catch (error) {
    return error.code === 'ENOENT' ? undefined : { pid: 0 };
  }
}

/** Whether the process that wrote a lock still runs; a process id that came round again does not count. */
export function isAlive(owner) {
  if (!(owner.pid > 0)) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  return owner.started === processStart(owner.pid);
}

/** Whether a lock counts: its process lives, or one of the processes that it wrote down as working for it. */
function isHeld(owner) {
  return isAlive(owner) || (Array.isArray(owner.workers) && owner.workers.some(isAlive));
}

/** Names a process so that `isAlive` knows it again. @param {number} pid @returns {{ pid: number, started: string }} */
export function identify(pid) {
  return { pid, started: processStart(pid) };
}

/** Renames a dead process's lock away. Where another took it over in between, the fresh one goes back. */
function setAside(path, stale) {
  const aside = `${path}.${process.pid}.${randomBytes(8).toString('hex')}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (readLock(aside)?.nonce !== stale?.nonce) {
    try { linkSync(aside, path); } catch (error) { if (error.code !== 'EEXIST') throw error; }
  }
  rmSync(aside, { force: true });
}

/** When a process started, as text to compare: with its id this names one process of one boot. */
function processStart(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot}:${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch { /* not Linux, or gone */ }
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
}
