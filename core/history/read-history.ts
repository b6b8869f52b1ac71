import type { EventStore, StoredEnvelope, Unreadable } from '../store/event-store.ts';

/** All messages of the stream up to a sequence, in order. @throws ForgeError unavailable */
export async function* readHistory(store: EventStore, end: number): AsyncIterable<StoredEnvelope | Unreadable> {
  if (end === 0) return;
  const done = new AbortController();
  try {
    for await (const stored of store.subscribe(0, done.signal)) {
      if (stored.sequence > end) return;
      yield stored;
      if (stored.sequence === end) return;
    }
  } finally {
    done.abort();
  }
}
