// A supervisor of two toy services in a process of its own, which tests kill. Tells in JSON what runs.
import { createSupervisor } from '../../../deploy/local/supervisor.ts';
import { toy } from './toys.ts';

const supervisor = createSupervisor([
  { specs: [toy('first', '0', 'grandchild', 'stubborn')], graceMs: 1_000 },
  { specs: [toy('second', '0')], graceMs: 1_000 },
], { logDir: process.argv[2]!, say: () => {} });
await supervisor.start();
process.stdout.write(`${JSON.stringify(supervisor.pids())}\n`);
