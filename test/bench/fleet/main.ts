/**
 * What the fleet costs: `npm run bench:fleet [-- --only <part of a name>] [--events N] [--queued N] [--agents N] [--watchers N]`.
 * A gateway has core 0, the load core 1, and nats-server both. Linux with two cores or more, and taskset.
 */
import { execFileSync } from 'node:child_process';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { natsBinary } from '../../support/nats.ts';
import { machine, revision } from '../machine.ts';
import { loadCore } from './bench-gateway.ts';
import { measureDispatch } from './dispatch.ts';
import { print, printHead, type Figure } from './figure.ts';
import { measureHeartbeats } from './heartbeats.ts';
import { measureStart } from './start.ts';
import { measureWatchers } from './watchers.ts';
import { measureSubmissions } from './submissions.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    events: { type: 'string', default: '1000000' },
    queued: { type: 'string', default: '10000' },
    agents: { type: 'string', default: '1000' },
    watchers: { type: 'string', default: '5000' },
  },
});
const count = (name: 'events' | 'queued' | 'agents' | 'watchers'): number => {
  if (!/^[1-9]\d{0,8}$/.test(options[name])) throw new Error(`--${name}: must be a whole number above 0, not "${options[name]}"`);
  return Number(options[name]);
};
const parts: Record<string, () => AsyncIterable<Figure>> = {
  dispatch: () => measureDispatch(count('queued')),
  start: () => measureStart(count('events')),
  submissions: () => measureSubmissions(),
  heartbeats: () => measureHeartbeats(count('agents')),
  watchers: () => measureWatchers(count('watchers')),
};
const wanted = Object.keys(parts).filter((name) => name.includes(options.only));
if (wanted.length === 0) throw new Error(`--only: one of ${Object.keys(parts).join(', ')}, not "${options.only}"`);

execFileSync('taskset', ['--cpu-list', '--pid', '--all-tasks', String(loadCore), String(process.pid)]);
const nats = execFileSync(natsBinary(), ['--version'], { encoding: 'utf8' }).trim();
const load = (): string => loadavg()[0]!.toFixed(1);
console.log(`${machine()}; ${nats}; ${revision()}; load before ${load()}\n`);
printHead();
for (const name of wanted) for await (const figure of parts[name]!()) print(figure);
console.log(`\nload after ${load()}`);
