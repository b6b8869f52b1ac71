/** How long a ledger alone takes to fold a stream: `ledger-start.ts <NATS URL>`; one line of JSON. */
import { allAggregates } from '../../../core/aggregates.ts';
import { createLogger } from '../../../core/logger.ts';
import { connectNats } from '../../../core/nats.ts';
import { createJetStreamStore } from '../../../core/store/jetstream-store.ts';
import { Ledger } from '../../../core/store/ledger.ts';

const connection = await connectNats(process.argv[2]!, 'bench');
const ledger = new Ledger({ store: await createJetStreamStore(connection), aggregates: allAggregates, logger: createLogger('bench') });
const [from, cpu] = [performance.now(), process.cpuUsage()];
await ledger.start();
const ms = performance.now() - from;
const { user, system } = process.cpuUsage(cpu);
console.log(JSON.stringify({ events: ledger.applied, rejected: ledger.rejected, ms, cpuMs: (user + system) / 1_000 }));
await ledger.stop();
await connection.close();
