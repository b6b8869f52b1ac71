import { setTimeout } from 'node:timers/promises';
import type { Logger } from '../../core/logger.ts';
import { isForgeError } from '../../core/errors.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { createLimit } from './limit.ts';

/** From the weakest to the strongest. */
const causes = ['watch', 'webhook', 'ended'] as const;
export type Cause = (typeof causes)[number];

export interface WatcherDeps {
  ledger: Ledger;
  /** Tells apart what a decision rests on, the commit that the project's ref names first; a remote repository is fetched. @throws ForgeError */
  fingerprint(project: string, signal: AbortSignal): Promise<string>;
  /** Decides, and starts a pipeline where that is due. @returns whether time alone may change the decision */
  decide(project: string, cause: Cause, signal: AbortSignal): Promise<{ ages: boolean }>;
  intervalMs: number;
  /**
   * A change is decided on once the repository has stood still for so long: a push of many commits, or a rebase, is one
   * change. Where it never stands still, after 10 times as long.
   */
  debounceMs: number;
  logger: Logger;
}

const maxDebounces = 10;
/** Looks and decisions that are under way at a time, each with a git or a few. */
const maxLooks = 4;

export interface Watcher {
  start(): void;
  /** Somebody says that there is something new. */
  notice(project: string, cause: Cause): void;
  stop(): Promise<void>;
}

interface Watched {
  /** Fingerprint that was decided on last. */
  decided: string;
  ages: boolean;
  /** The look that is under way, and whether another is wanted after it. */
  looking: Promise<void> | undefined;
  again: Cause | undefined;
}

/**
 * Looks at each registered project at an interval, and whenever told to. It keeps nothing that matters: what was decided
 * and what was tried stands in the events.
 */
export function createWatcher(deps: WatcherDeps): Watcher {
  const { ledger, logger } = deps;
  const stopped = new AbortController();
  const watched = new Map<string, Watched>();
  /** Those under way, also at projects that were deleted meanwhile. */
  const looks = new Set<Promise<void>>();
  const limited = createLimit(maxLooks);
  let timer: NodeJS.Timeout | undefined;
  let stopListening = (): void => {};

  /** What waited for its turn when all was stopped does not begin. */
  function inTurn<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return limited(async () => {
      stopped.signal.throwIfAborted();
      return work(stopped.signal);
    });
  }

  /** Waits until the repository has not moved for `debounceMs`, within bounds. */
  async function settled(project: string, entry: Watched): Promise<string> {
    const look = (): Promise<string> => inTurn((signal) => deps.fingerprint(project, signal));
    let seen = await look();
    if (seen === entry.decided) return seen;
    const latest = performance.now() + maxDebounces * deps.debounceMs;
    for (;;) {
      await setTimeout(deps.debounceMs, undefined, { signal: stopped.signal });
      const next = await look();
      if (next === seen || performance.now() >= latest) return next;
      seen = next;
    }
  }

  async function lookAt(project: string, entry: Watched, cause: Cause): Promise<void> {
    const { registration, active, pending } = ledger.head(projectAggregate, project).state;
    const waits = pending !== undefined && active === undefined;
    // While a pipeline runs nothing is decided: its end brings the project up again.
    if (active !== undefined || (!waits && registration?.watch !== true)) return;
    if (waits) {
      await inTurn((signal) => deps.decide(project, 'ended', signal));
      return;
    }
    const seen = await settled(project, entry);
    // Whoever says that there is something new is answered with a decision, the same as before or not.
    if (seen === entry.decided && !entry.ages && cause === 'watch') return;
    entry.ages = (await inTurn((signal) => deps.decide(project, cause, signal))).ages;
    entry.decided = seen;
  }

  async function run(project: string, entry: Watched, first: Cause): Promise<void> {
    for (let cause: Cause | undefined = first; cause !== undefined && !stopped.signal.aborted; cause = entry.again) {
      entry.again = undefined;
      try {
        await lookAt(project, entry, cause);
      } catch (error) {
        if (stopped.signal.aborted) return;
        // The next interval looks again; what is wrong with the repository is its owner's to mend. What is decided on
        // whatever the fingerprint is, is so then as well.
        if (cause !== 'watch') entry.decided = '';
        if (isForgeError(error)) logger.warn('a watched project can’t be looked at now', { project, error: error.message });
        else logger.error('a watched project could not be looked at', { project, error });
      }
    }
  }

  function notice(project: string, cause: Cause): void {
    if (stopped.signal.aborted) return;
    let entry = watched.get(project);
    if (entry === undefined) watched.set(project, (entry = { decided: '', ages: false, looking: undefined, again: undefined }));
    if (entry.looking !== undefined) {
      // The strongest cause stays: an end has to be looked at whatever the fingerprint is.
      if (entry.again === undefined || causes.indexOf(cause) > causes.indexOf(entry.again)) entry.again = cause;
      return;
    }
    const looking = entry;
    const look = run(project, looking, cause).finally(() => {
      looks.delete(look);
      looking.looking = undefined;
      // What came in the moment between the last look and here.
      if (looking.again !== undefined) notice(project, looking.again);
    });
    looking.looking = look;
    looks.add(look);
  }

  const all = (): void => {
    for (const [project, { registration, pending }] of ledger.all(projectAggregate)) if (registration?.watch === true || pending !== undefined) notice(project, 'watch');
  };
  return {
    start() {
      stopListening = ledger.onApplied(({ stored }) => {
        if (stored.aggregate !== projectAggregate.name) return;
        const kinds = stored.envelope.events.map(({ kind }) => kind.case);
        if (kinds.includes('projectRegistered')) notice(stored.id, 'watch');
        if (kinds.includes('projectDeleted')) watched.delete(stored.id);
      });
      timer = setInterval(all, deps.intervalMs);
      all();
    },
    notice,
    async stop() {
      stopListening();
      clearInterval(timer);
      stopped.abort();
      await Promise.allSettled(looks);
    },
  };
}
