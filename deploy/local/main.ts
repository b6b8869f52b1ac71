// `npm start`: nats-server, gateway, guardian and agent on one machine, as long as this process lives.
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { dataPaths, loadConfig } from '../../core/config.ts';
import { ForgeError } from '../../core/errors.ts';
import { onInputEnd, onParentGone, onSignals } from './end-with.ts';
import { keepPort, localSteps } from './local-services.ts';
import { takeLock } from './pid-lock.mjs';
import { freePort, whyTaken } from './ports.ts';
import { readyLine, waitUntilHealthy } from './readiness.ts';
import { StartError } from './service.ts';
import { createSupervisor } from './supervisor.ts';

const root = resolve(import.meta.dirname, '..', '..');
/** After this, what is still away is told instead of waited for. */
const healthLimitMs = 60_000;
const say = (line: string): void => { console.error(line); };
/** A reason for not starting that the user can do something about. */
class Refusal extends Error {}

async function main(): Promise<void> {
  const config = loadConfig({ FORGE_PYTHON: join(root, '.venv/bin/python'), ...process.env });
  try { mkdirSync(config.dataDir, { recursive: true, mode: 0o700 }); } catch (error) { throw new Refusal(`FORGE_DATA_DIR: ${(error as Error).message}`); }
  const lock = takeLock(join(config.dataDir, 'lock'));
  if (!lock.held) {
    const { pid, url } = lock.owner;
    throw new Refusal(`${config.dataDir} is in use by the AI Forge of process ${pid}${typeof url === 'string' ? ` on ${url}` : ''}. Stop it (kill ${pid}), or choose another directory with FORGE_DATA_DIR.`);
  }
  process.on('exit', () => lock.release());
  const taken = await whyTaken(config.host, config.port);
  if (taken !== undefined) throw new Refusal(taken);

  let url: string | undefined;
  const natsPort = process.env['FORGE_NATS_URL'] ? undefined : await freePort();
  // A URL that the user gave may hold a password, and stays out of the file.
  const own = natsPort === undefined ? {} : { natsUrl: `nats://127.0.0.1:${natsPort}` };
  const about = (): Record<string, unknown> => ({ ...(url === undefined ? {} : { url }), ...own, projectRoots: config.projectRoots, services: supervisor.pids() });
  const supervisor = createSupervisor(localSteps(root, config, natsPort), {
    logDir: dataPaths(config.dataDir).logs,
    say,
    adapt: (spec) => keepPort(spec, url),
    onReady(name, line) {
      if (name === 'gateway') url = line.slice('ready '.length);
      lock.update(about());
    },
  });

  const ending = new AbortController();
  const stop = (why: string): void => {
    if (ending.signal.aborted) return;
    ending.abort();
    say(`${why}: stopping; a second signal forces the end`);
    void supervisor.stop().then(() => process.exit(0));
  };
  onSignals(stop, () => { supervisor.kill(); process.exit(1); });
  if (process.argv[2] === '--until-released') onInputEnd(stop);
  else onParentGone(stop);

  try {
    await supervisor.start();
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
  const away = await waitUntilHealthy(url!, healthLimitMs, ending.signal);
  if (ending.signal.aborted) return;
  console.log(readyLine(url!, away));
  say(`Data in ${config.dataDir}, logs in ${dataPaths(config.dataDir).logs}. Ctrl-C stops it.`);
  if (away.length === 0) return;
  await waitUntilHealthy(url!, Infinity, ending.signal);
  if (!ending.signal.aborted) console.log(readyLine(url!, []));
}

// Whoever read this output may be gone; that must not take the services with it in disorder.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
main().catch((error: unknown) => {
  const known = error instanceof Refusal || error instanceof StartError || error instanceof ForgeError;
  say(known ? `AI Forge cannot start: ${error.message}` : (error as Error).stack ?? String(error));
  process.exit(1);
});
