import { EventEmitter } from 'node:events';
import type { Aggregate } from '../aggregate.ts';
import { ForgeError } from '../errors.ts';
import { faultPoint } from '../fault.ts';
import { inSlices } from '../in-slices.ts';
import type { Logger } from '../logger.ts';
import { encodeEnvelope, sha256Hex, type CommandMeta } from './envelope.ts';
import { UnknownOutcome, VersionConflict, isReadable, type EventStore, type StoredEnvelope, type Unreadable } from './event-store.ts';
import { emptyHead, fold, passOver, type Head } from './fold.ts';
import { Replay } from './replay.ts';
import { PackedHead } from './snapshot/packed-head.ts';
import type { Heads, HeadList } from './kind-fold.ts';
import type { Snapshot } from './snapshot/snapshot-file.ts';

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
/** Conflicts with nothing to be read, in a row, after which it is given up: about 3 s. */
const maxUndecided = 20;
const undecidedMs = { first: 5, most: 200 };
/** Longer than any id that is given out, and short enough for a subject. */
const maxIdLength = 200;

/**
 * The fold of all events, and the way to append to it. One subscription applies every envelope in order; a command is
 * decided on what was applied and appended at the version it was decided on; whoever loses the race reads at the
 * stream's leader and decides again.
 */
export class Ledger {
  readonly #store: EventStore;
  readonly #replay: Replay;
  readonly #logger: Logger;
  /** Heads that this process has written and the subscription has not brought yet. */
  readonly #ahead = new Map<string, Head>();
  readonly #changes = new EventEmitter().setMaxListeners(0);
  readonly #waiting = new Set<{ sequence: number; resolve(): void }>();
  readonly #abort = new AbortController();
  #rejected = 0;
  #running: Promise<void> | undefined;
  #unpacking: Promise<void> | undefined;

  /** Sequence that it started from; 0: from nothing. */
  readonly snapshotSequence: number;

  /** @param deps `snapshot`: to start from, of the same stream and the same kinds of aggregates */
  constructor(deps: { store: EventStore; aggregates: readonly Aggregate<never, never>[]; logger: Logger; snapshot?: Snapshot<Heads> | undefined }) {
    this.#store = deps.store;
    this.#logger = deps.logger;
    this.#replay = new Replay(deps.aggregates);
    this.snapshotSequence = deps.snapshot?.sequence ?? 0;
    if (deps.snapshot === undefined) return;
    this.#replay.restore(deps.snapshot);
    this.#rejected = deps.snapshot.rejected;
  }

  /** Starts the fold and resolves once it has reached what was the end of the stream at the call. */
  async start(): Promise<void> {
    const end = await this.#store.lastSequence();
    this.#running = this.#follow();
    await this.waitFor(end, this.#abort.signal);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await Promise.all([this.#running, this.#unpacking]);
  }

  /** Sequence of the last envelope that was applied. */
  get applied(): number {
    return this.#replay.sequence;
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
    const applied = this.#replay.heads(aggregate.name).get(id);
    // Nearly always there is none, and the key would cost more than the rest.
    const ahead = this.#ahead.size === 0 ? undefined : this.#ahead.get(`${aggregate.name} ${id}`);
    const newest = ahead !== undefined && ahead.version > (applied?.version ?? 0) ? ahead : applied;
    return (newest as Head<State> | undefined) ?? emptyHead(aggregate.initialState);
  }

  /** All applied aggregates of a kind, oldest first. */
  *all<State>(aggregate: Aggregate<State, never>): IterableIterator<[string, State]> {
    for (const [id, head] of this.#replay.heads(aggregate.name)) yield [id, head.state as State];
  }

  /** The applied aggregates of a kind about which something is left to be done, in no order: these are few, however many there ever were. */
  *open<State>(aggregate: Aggregate<State, never>): IterableIterator<[string, State]> {
    for (const [id, head] of this.#replay.open(aggregate.name)) yield [id, head.state as State];
  }

  /** What the applied aggregates of a kind that are over have left: of each key the greatest value. */
  traces<State>(aggregate: Aggregate<State, never>): ReadonlyMap<string, number> {
    return this.#replay.traces(aggregate.name);
  }

  /** All as it is now; it stays as it is however the fold moves on. */
  snapshot(): Snapshot<HeadList> {
    return { ...this.#replay.snapshot(), rejected: this.#rejected };
  }

  /** Reads in the background what the snapshot holds packed, so that whoever looks at all of it need not wait for that. */
  unpack(): void {
    this.#unpacking ??= this.#unpack().catch((error: unknown) => this.#logger.error('a part of the snapshot can’t be read: delete the file', { error }));
  }

  async #unpack(): Promise<void> {
    for (const kind of this.#replay.kinds()) {
      for await (const [, head] of inSlices(this.#replay.heads(kind))) {
        if (this.#abort.signal.aborted) return;
        if (head instanceof PackedHead) head.unpack();
      }
    }
  }

  /** What was applied, to look at. */
  get replay(): Replay {
    return this.#replay;
  }

  /** Resolves when the envelope of that sequence was applied. */
  async waitFor(sequence: number, signal?: AbortSignal): Promise<void> {
    if (this.applied >= sequence) return;
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { sequence, resolve };
    const abort = (): void => reject(signal!.reason);
    // Woken once, by its own sequence: a start waits for millions.
    this.#waiting.add(waiter);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      this.#waiting.delete(waiter);
      signal?.removeEventListener('abort', abort);
    }
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
    let undecided = 0;
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
        const moment = { id, time: meta.time, sequence: version };
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
        // In a cluster an append that is not decided yet is in the way of the next one, and can't be read.
        undecided = error instanceof VersionConflict && read.head.version === head.version ? undecided + 1 : 0;
        if (undecided > maxUndecided) throw new ForgeError('unavailable', `nats has not decided an earlier append to ${aggregate.name} ${id}: try again`, { cause: error });
        if (undecided > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(undecidedMs.most, undecidedMs.first * 2 ** undecided)));
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
      else head = passOver(head as Head, stored) as Head<State>;
    }
    if (head.version > from.version) this.#rememberAhead(aggregate.name, id, head as Head);
    return { head, repeated };
  }

  #rememberAhead(aggregate: string, id: string, head: Head): void {
    const key = `${aggregate} ${id}`;
    if (head.version > this.applied && head.version > (this.#ahead.get(key)?.version ?? 0)) this.#ahead.set(key, head);
  }

  #forgetAhead({ aggregate, id, sequence }: StoredEnvelope): void {
    // As it is for all of a start.
    if (this.#ahead.size === 0) return;
    const key = `${aggregate} ${id}`;
    if ((this.#ahead.get(key)?.version ?? Infinity) <= sequence) this.#ahead.delete(key);
  }

  async #follow(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      try {
        for await (const stored of this.#store.subscribe(this.applied, this.#abort.signal)) this.#apply(stored);
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        const problem = this.#store.problem?.();
        if (problem !== undefined) return this.#logger.error(problem);
        this.#logger.warn('the subscription to events broke; subscribing again', { error: (error as Error).message });
        await new Promise((resolve) => setTimeout(resolve, 200).unref());
      }
    }
  }

  #apply(stored: StoredEnvelope | Unreadable): void {
    if (stored.sequence <= this.applied) return;
    const { head, problem } = this.#replay.apply(stored);
    if (problem !== undefined) {
      this.#rejected += 1;
      const { sequence } = stored;
      if (isReadable(stored)) this.#logger.error('an envelope that should not be there was not applied', { sequence, aggregate: stored.aggregate, id: stored.id, problem });
      else this.#logger.error('a message that is no envelope was not applied', { sequence, subject: stored.subject, problem });
    }
    if (isReadable(stored) && head !== undefined) {
      this.#forgetAhead(stored);
      this.#changes.emit('applied', { stored, head } satisfies Applied);
    }
    for (const waiter of this.#waiting) if (waiter.sequence <= stored.sequence) waiter.resolve();
  }
}
