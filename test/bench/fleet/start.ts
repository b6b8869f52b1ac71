import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jetstreamManager } from '@nats-io/jetstream';
import { connectNats } from '../../../core/nats.ts';
import { createJetStreamStore, eventStream } from '../../../core/store/jetstream-store.ts';
import { subjectOf } from '../../../core/store/subject.ts';
import { gatewayPlace, serverCore, type Place } from './bench-gateway.ts';
import { startBenchNats } from './bench-nats.ts';
import { shownMs, type Figure } from './figure.ts';
import { envelopesPerJob, history } from './history.ts';

/** How long a gateway takes until it is ready on a stream of so many events, from nothing and from a snapshot. */
export async function* measureStart(events: number): AsyncIterable<Figure> {
  const nats = await startBenchNats('default');
  const places: Place[] = [];
  try {
    const empty = await gatewayPlace(nats.url);
    places.push(empty);
    // A first start fills the cache of compiled files, as a user's first one does.
    await (await empty.start()).stop();
    const idle = await empty.start();
    await idle.stop();
    const count = await fill(nats.url, events);
    const name = `${count.toLocaleString('en')} events`;

    const { stdout } = await promisify(execFile)('taskset', ['--cpu-list', String(serverCore), process.execPath, join(import.meta.dirname, 'ledger-start.ts'), nats.url]);
    const ledger = JSON.parse(stdout) as { events: number; rejected: number; ms: number; cpuMs: number };
    if (ledger.events !== count || ledger.rejected !== 0) throw new Error(`the ledger applied ${ledger.events} of ${count} events and refused ${ledger.rejected}`);
    yield { what: `the fold alone, ${name}`, measured: `${shownMs(ledger.ms)}, of that ${shownMs(ledger.cpuMs)} of processor; ${Math.round(count / (ledger.ms / 1_000)).toLocaleString('en')} events/s` };

    const place = await gatewayPlace(nats.url);
    places.push(place);
    const reference = `empty stream: ${shownMs(idle.readyMs)}`;
    for (const [how, aimMs] of [['from nothing', 8_000], ['from a snapshot', 1_000]] as const) {
      const gateway = await place.start();
      const [cpuMs, residentMiB] = [gateway.cpuMs(), gateway.residentMiB()];
      await place.snapshot();
      await gateway.stop();
      yield { what: `gateway ready, ${name}, ${how}`, measured: `${shownMs(gateway.readyMs)}, of that ${shownMs(cpuMs)} of processor; ${residentMiB.toFixed(0)} MiB`, reference, aim: `≤ ${aimMs / 1_000} s`, met: gateway.readyMs <= aimMs };
    }
  } finally {
    for (const place of places) await place.remove();
    await nats.stop();
  }
}

/** Events of finished jobs, sent without waiting for each: it is test data. @returns how many there are */
async function fill(url: string, events: number): Promise<number> {
  const connection = await connectNats(url, 'fill');
  await createJetStreamStore(connection);
  let count = 0;
  for (const { aggregate, id, bytes } of history(Math.ceil(events / envelopesPerJob))) {
    connection.publish(subjectOf(aggregate, id), bytes);
    if (++count % 5_000 === 0) await connection.flush();
  }
  const manager = await jetstreamManager(connection);
  while ((await manager.streams.info(eventStream)).state.last_seq < count) await connection.flush();
  await connection.close();
  return count;
}
