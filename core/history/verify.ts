import type { EventStore } from '../store/event-store.ts';
import { digestState } from '../store/state-digest.ts';
import type { GatewayState } from './gateway-states.ts';
import type { HistoryHead } from './heads.ts';
import { HistoryCheck } from './history-check.ts';
import { readHistory } from './read-history.ts';

/**
 * Reads the whole stream and tells what is wrong with it: gaps, what can't be read, chains of hashes, events that may
 * not follow, and differences from what was kept elsewhere.
 * @param known heads of this history from earlier times
 * @param gateways what running gateways said before the reading began: each must equal the replay at its sequence
 */
export async function verifyHistory(store: EventStore, known: readonly HistoryHead[], gateways: readonly GatewayState[]): Promise<HistoryCheck> {
  const check = new HistoryCheck();
  const end = await store.lastSequence();
  const compare = async (): Promise<void> => {
    for (const { gatewayId, state } of gateways) {
      if (state?.sequence !== check.sequence) continue;
      const { kinds } = await digestState(check.replay);
      const differing = [...new Set([...Object.keys(kinds), ...Object.keys(state.kinds)])].filter((kind) => kinds[kind] !== state.kinds[kind]);
      if (differing.length > 0) check.report(`gateway ${gatewayId} holds other states than the history up to message ${state.sequence} makes, of kind ${differing.join(', ')}: restart it`);
    }
  };

  const byPlace = [...known].sort((a, b) => a.sequence - b.sequence);
  let next = 0;
  let trusted = 0;
  await compare();
  for await (const stored of readHistory(store, end)) {
    check.take(stored);
    await compare();
    for (; next < byPlace.length && byPlace[next]!.sequence <= check.sequence; next++) {
      const { sequence, digest, time } = byPlace[next]!;
      if (sequence === check.sequence && digest === check.digest) trusted = sequence;
      else check.report(`the history from message ${trusted + 1} to ${sequence} is not what it was on ${time}`);
    }
  }
  if (check.sequence !== end) check.report(`message ${end} is the last one, and ${check.sequence} was the last that could be read`);
  for (const { sequence, time } of byPlace.slice(next)) check.report(`the history ends at message ${check.sequence}; on ${time} it went to ${sequence}`);
  for (const { gatewayId, state } of gateways) {
    if (state === undefined) check.report(`gateway ${gatewayId} did not tell its state in time`);
    else if (state.sequence > end) check.report(`gateway ${gatewayId} has applied message ${state.sequence}, and the history ends at ${end}`);
  }
  return check;
}
