// `npm run verify`: whether the event stream is whole, is what it was, and is what the gateways have folded.
import { askGatewayStates } from '../../core/history/gateway-states.ts';
import { addHead, readHeads } from '../../core/history/heads.ts';
import { verifyHistory } from '../../core/history/verify.ts';
import { createJetStreamStore } from '../../core/store/jetstream-store.ts';
import { runHistoryCommand } from './command.ts';
import { withNats } from './open-nats.ts';

await runHistoryCommand('npm run verify -- [--heads FILE]', { takesFile: false, knows: ['heads'] }, ({ config, heads }) =>
  withNats(config, async (connection) => {
    const known = await readHeads(heads);
    const gateways = await askGatewayStates(connection);
    const check = await verifyHistory(await createJetStreamStore(connection), known, gateways);
    for (const problem of check.problems) console.error(problem);
    const more = check.problemCount - check.problems.length;
    if (more > 0) console.error(`and ${more} more`);
    console.log(`${check.sequence} events were read and compared with ${known.length} earlier looks and with the states of ${gateways.length} running gateways: ${check.problemCount === 0 ? 'all is well' : `${check.problemCount} problems`}.`);
    if (check.problemCount > 0) return false;
    if (check.sequence > 0) await addHead(heads, { sequence: check.sequence, digest: check.digest, time: new Date().toISOString() });
    console.log(`The history is ${check.digest || 'empty'}; kept in ${heads}.`);
    return true;
  }),
);
