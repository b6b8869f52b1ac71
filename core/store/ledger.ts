import { EventEmitter, once } from 'node:events';
import type { Aggregate } from '../aggregate.ts';
import { ForgeError } from '../errors.ts';
import { faultPoint } from '../fault.ts';
import type { Logger } from '../logger.ts';
import { encodeEnvelope, envelopeTime, sha256Hex, type CommandMeta } from './envelope.ts';
import { UnknownOutcome, VersionConflict, isReadable, type EventStore, type StoredEnvelope, type Unreadable } from './event-store.ts';
import { parseSubject } from './subject.ts';

/** An aggregate as far as it was read: its version is the sequence of its last envelope. */
export interface Head<State = unknown> {
  version: number;
  /** Hash of the last envelope's stored bytes. */
  sha256: string;
  state: State;
  /** Of the first envelope. */
  idempotencySha256: string;
}

export interface Executed<State> {
  state: State;
  version: number;
  /** False for a repeat that changed nothing. */
  changed: boolean;
}

export interface Applied {
  stored: StoredEnvelope;
  head: Head;
}

const maxTries = 50;
/** Longer than any id that is given out, and short enough for a subject. */
const maxIdLength = 200;

/**
 * The fold of all events, and the way to append to it. One subscription applies every envelope in order; a command is
 * decided on what was applied and appended at the version it was decided on; whoever loses the race reads at the
 * stream's leader and decides again.
 */
export class Ledger {
  readonly #store: EventStore;
  readonly #aggregates: ReadonlyMap<string, Aggregate<unknown, unknown>>;
  readonly #logger: Logger;
  readonly #heads = new Map<string, Map<string, Head>>();
  /** Heads that this process has written and the subscription has not brought yet. */
  readonly #ahead = new Map<string, Head>();
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #abort = new AbortController();
  #applied = 0;
  #rejected = 0;
  #running: Promise<void> | undefined;

  constructor(deps: { store: EventStore; aggregates: readonly Aggregate<never, never>[]; logger: Logger }) {
    this.#store = deps.store;
    this.#logger = deps.logger;
    this.#aggregates = new Map(deps.aggregates.map((aggregate) => [aggregate.name, aggregate as unknown as Aggregate<unknown, unknown>]));
    for (const name of this.#aggregates.keys()) this.#heads.set(name, new Map());
  }

  /** Starts the fold and resolves once it has reached what was the end of the stream at the call. */
  async start(): Promise<void> {
    const end = await this.#store.lastSequence();
    this.#running = this.#follow();
    await this.waitFor(end, this.#abort.signal);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  /** Sequence of the last envelope that was applied. */
  get applied(): number {
    return this.#applied;
  }

  /** Envelopes that should not be there: seen, reported and never applied. */
  get rejected(): number {
    return this.#rejected;
  }

  /** Calls back after each applied envelope, in order. @returns how to stop that */
  onApplied(listener: (applied: Applied) => void): () => void {
    this.#changes.on('applied', listener);
    return () => this.#changes.off('applied', listener);
  }

  /** The newest head this process knows. */
  head<State>(aggregate: Aggregate<State, never>, id: string): Head<State> {
    const applied = this.#heads.get(aggregate.name)?.get(id);
    const ahead = this.#ahead.get(`${aggregate.name} ${id}`);
    const newest = ahead !== undefined && ahead.version > (applied?.version ?? 0) ? ahead : applied;
    return (newest as Head<State> | undefined) ?? emptyHead(aggregate.initialState);
  }

  /** All applied aggregates of a kind, oldest first. */
  *all<State>(aggregate: Aggregate<State, never>): IterableIterator<[string, State]> {
    for (const [id, head] of this.#heads.get(aggregate.name) ?? []) yield [id, head.state as State];
  }

  /** Resolves when the envelope of that sequence was applied. */
  async waitFor(sequence: number, signal?: AbortSignal): Promise<void> {
    while (this.#applied < sequence) await once(this.#changes, 'progress', signal === undefined ? {} : { signal });
  }

  /** Resolves when all that is in the stream now was applied. @throws ForgeError unavailable */
  async catchUp(signal?: AbortSignal): Promise<void> {
    await this.waitFor(await this.#store.lastSequence(), signal);
  }

  /** The aggregate as it is known here, or read at the leader where nothing of it is known; version 0 when there is none. */
  async find<State, Command>(aggregate: Aggregate<State, Command>, id: string): Promise<Head<State>> {
    const head = this.head(aggregate as Aggregate<State, never>, id);
    return head.version > 0 || id.length > maxIdLength ? head : this.refresh(aggregate, id);
  }

  /** Reads the aggregate at the stream's leader. */
  async refresh<State, Command>(aggregate: Aggregate<State, Command>, id: string): Promise<Head<State>> {
    return (await this.#refresh(aggregate, id, this.head(aggregate as Aggregate<State, never>, id), '')).head;
  }

  /**
   * Decides a command and appends what it makes, exactly once for its command id.
   * @param options `atVersion`: of the aggregate; at no other one anything is appended
   * @throws what `decide` throws, after a read at the leader; ForgeError version_conflict when the aggregate is not at
   * `atVersion` any more; ForgeError unavailable when NATS does not answer
   */
  async execute<State, Command>(aggregate: Aggregate<State, Command>, id: string, command: Command, meta: CommandMeta, { atVersion }: { atVersion?: number } = {}): Promise<Executed<State>> {
    let head = this.head(aggregate as Aggregate<State, never>, id);
    let fresh = false;
    if (atVersion !== undefined && head.version < atVersion) head = await this.refresh(aggregate, id);
    for (let tries = 0; tries < maxTries; tries++) {
      if (atVersion !== undefined && head.version !== atVersion) throw new ForgeError('version_conflict', `${aggregate.name} ${id} has moved on from version ${atVersion}`);
      let events;
      try {
        events = aggregate.decide(command, head.state);
      } catch (error) {
        // What is known here may be old: only the leader's word makes it an error.
        if (fresh) throw error;
        const read = await this.#refresh(aggregate, id, head, meta.commandId);
        if (read.repeated) return { state: read.head.state, version: read.head.version, changed: true };
        head = read.head;
        fresh = true;
        continue;
      }
      if (events.length === 0) return { state: head.state, version: head.version, changed: false };
      const bytes = encodeEnvelope(aggregate.name, id, meta, head.sha256, events);
      try {
        faultPoint('append.before');
        const version = await this.#store.append(aggregate.name, id, bytes, head.version);
        faultPoint('append.after');
        const moment = { id, time: meta.time };
        const state = events.reduce((folded, next) => aggregate.evolve(folded, next, moment), head.state);
        this.#rememberAhead(aggregate.name, id, {
          version,
          sha256: sha256Hex(bytes),
          state,
          idempotencySha256: head.version === 0 ? (meta.idempotencySha256 ?? '') : head.idempotencySha256,
        });
        return { state, version, changed: true };
      } catch (error) {
        if (!(error instanceof VersionConflict) && !(error instanceof UnknownOutcome)) throw error;
        const read = await this.#refresh(aggregate, id, head, meta.commandId);
        if (read.repeated) return { state: read.head.state, version: read.head.version, changed: true };
        head = read.head;
        fresh = true;
      }
    }
    throw new ForgeError('version_conflict', `${aggregate.name} ${id} changes too fast: try again`);
  }

  async #refresh<State, Command>(aggregate: Aggregate<State, Command>, id: string, from: Head<State>, commandId: string): Promise<{ head: Head<State>; repeated: boolean }> {
    let head = from;
    let repeated = false;
    for await (const stored of this.#store.readAggregate(aggregate.name, id, from.version)) {
      if (isReadable(stored) && stored.envelope.commandId === commandId) repeated = true;
      const next = fold(aggregate as Aggregate<unknown, unknown>, head as Head, stored);
      if (typeof next !== 'string') head = next as Head<State>;
      else head = { ...head, version: stored.sequence, sha256: sha256Hex(stored.bytes) };
    }
    if (head.version > from.version) this.#rememberAhead(aggregate.name, id, head as Head);
    return { head, repeated };
  }

  #rememberAhead(aggregate: string, id: string, head: Head): void {
    const key = `${aggregate} ${id}`;
    if (head.version > this.#applied && head.version > (this.#ahead.get(key)?.version ?? 0)) this.#ahead.set(key, head);
  }

  async #follow(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        for await (const stored of this.#store.subscribe(this.#applied, this.#abort.signal)) this.#apply(stored);
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        this.#logger.warn('the subscription to events broke; subscribing again', { error: (error as Error).message });
        await new Promise((resolve) => setTimeout(resolve, 200).unref());
      }
    }
  }

  /** A message that is no envelope moves its aggregate's version on, since the next append must expect it, and nothing else. */
  #reject({ sequence, subject, bytes, problem }: Unreadable): void {
    this.#rejected += 1;
    this.#logger.error('a message that is no envelope was not applied', { sequence, subject, problem });
    const named = aggregateOf(subject);
    const heads = named && this.#heads.get(named.aggregate);
    if (named !== undefined && heads !== undefined) {
      const before = heads.get(named.id) ?? emptyHead(this.#aggregates.get(named.aggregate)!.initialState);
      heads.set(named.id, { ...before, version: sequence, sha256: sha256Hex(bytes) });
    }
    this.#applied = sequence;
    this.#changes.emit('progress');
  }

  #apply(stored: StoredEnvelope | Unreadable): void {
    if (stored.sequence <= this.#applied) return;
    if (!isReadable(stored)) return this.#reject(stored);
    const aggregate = this.#aggregates.get(stored.aggregate);
    const heads = this.#heads.get(stored.aggregate);
    if (aggregate !== undefined && heads !== undefined) {
      const before = heads.get(stored.id) ?? emptyHead(aggregate.initialState);
      const next = fold(aggregate, before, stored);
      if (typeof next === 'string') {
        this.#rejected += 1;
        this.#logger.error('an envelope that should not be there was not applied', { sequence: stored.sequence, aggregate: stored.aggregate, id: stored.id, problem: next });
        heads.set(stored.id, { ...before, version: stored.sequence, sha256: sha256Hex(stored.bytes) });
      } else {
        heads.set(stored.id, next);
      }
      const key = `${stored.aggregate} ${stored.id}`;
      if ((this.#ahead.get(key)?.version ?? Infinity) <= stored.sequence) this.#ahead.delete(key);
      this.#applied = stored.sequence;
      this.#changes.emit('applied', { stored, head: heads.get(stored.id)! } satisfies Applied);
    } else {
      this.#applied = stored.sequence;
    }
    this.#changes.emit('progress');
  }
}

/** The aggregate of a message that could be read in nothing else; undefined when its subject is no aggregate's. */
function aggregateOf(subject: string): { aggregate: string; id: string } | undefined {
  try {
    return parseSubject(subject);
  } catch {
    return undefined;
  }
}

function emptyHead<State>(state: State): Head<State> {
  return { version: 0, sha256: '', state, idempotencySha256: '' };
}

/** Checks the chain and each event, then folds. @returns what is wrong, as text */
function fold(aggregate: Aggregate<unknown, unknown>, head: Head, stored: StoredEnvelope | Unreadable): Head | string {
  if (!isReadable(stored)) return stored.problem;
  const { envelope } = stored;
  if (envelope.aggregate !== stored.aggregate || envelope.id !== stored.id) return 'it names another aggregate than its subject';
  if (Buffer.from(envelope.previousSha256).toString('hex') !== head.sha256) return 'its hash of the envelope before does not match';
  const moment = { id: stored.id, time: envelopeTime(envelope) };
  let state = head.state;
  for (const event of envelope.events) {
    const problem = aggregate.admit(state, event);
    if (problem !== undefined) return problem;
    state = aggregate.evolve(state, event, moment);
  }
  return {
    version: stored.sequence,
    sha256: sha256Hex(stored.bytes),
    state,
    idempotencySha256: head.version === 0 ? Buffer.from(envelope.idempotencySha256).toString('hex') : head.idempotencySha256,
  };
}
