// `npm stop`: ends the AI Forge of this data directory in good order.
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { loadConfig } from '../../core/config.ts';
import { isAlive, readLock } from './pid-lock.mjs';

const limitMs = 12_000;

try {
  const { dataDir } = loadConfig(process.env);
  const owner = readLock(join(dataDir, 'lock'));
  if (owner === undefined || !isAlive(owner)) {
    console.log(`No AI Forge runs on ${dataDir}.`);
  } else {
    process.kill(owner.pid, 'SIGTERM');
    for (const end = performance.now() + limitMs; isAlive(owner) && performance.now() < end; ) await setTimeout(50);
    if (isAlive(owner)) throw new Error(`process ${owner.pid} has not ended after ${limitMs / 1000} s: kill -9 ${owner.pid}`);
    console.log(`AI Forge on ${dataDir} has stopped.`);
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
