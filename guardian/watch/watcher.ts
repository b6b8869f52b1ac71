import { setTimeout } from 'node:timers/promises';
import type { Logger } from '../../core/logger.ts';
import { isForgeError } from '../../core/errors.ts';
import { projectAggregate } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';

/** From the weakest to the strongest. */
const causes = ['watch', 'webhook', 'ended'] as const;
export type Cause = (typeof causes)[number];

export interface WatcherDeps {
  ledger: Ledger;
  /** Commit that the project's ref names now; a remote repository is fetched. @throws ForgeError */
  head(project: string, signal: AbortSignal): Promise<string>;
  /** Decides, and starts a pipeline where that is due. @returns whether time alone may change the decision */
  decide(project: string, cause: Cause, signal: AbortSignal): Promise<{ ages: boolean }>;
  intervalMs: number;
  /** A head is decided on once it has stood still for so long: a push of many commits, or a rebase, is one change. */
  debounceMs: number;
  logger: Logger;
}

export interface Watcher {
  start(): void;
  /** Somebody says that there is something new. */
  notice(project: string, cause: Cause): void;
  stop(): Promise<void>;
}

interface Watched {
  /** Head that was decided on last. */
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
  let timer: NodeJS.Timeout | undefined;
  let stopListening = (): void => {};

  /** Waits until the head has not moved for `debounceMs`. */
  async function settledHead(project: string, entry: Watched): Promise<string> {
    let head = await deps.head(project, stopped.signal);
    if (head === entry.decided) return head;
    for (;;) {
      await setTimeout(deps.debounceMs, undefined, { signal: stopped.signal });
      const next = await deps.head(project, stopped.signal);
      if (next === head) return head;
      head = next;
    }
  }

  async function lookAt(project: string, entry: Watched, cause: Cause): Promise<void> {
    const { registration, active, pending } = ledger.head(projectAggregate, project).state;
    const waits = pending !== undefined && active === undefined;
    // While a pipeline runs nothing is decided: its end brings the project up again.
    if (active !== undefined || (!waits && registration?.watch !== true)) return;
    if (waits) {
      await deps.decide(project, 'ended', stopped.signal);
      return;
    }
    const head = await settledHead(project, entry);
    if (head === entry.decided && !entry.ages && cause !== 'ended') return;
    entry.ages = (await deps.decide(project, cause, stopped.signal)).ages;
    entry.decided = head;
  }

  async function run(project: string, entry: Watched, first: Cause): Promise<void> {
    for (let cause: Cause | undefined = first; cause !== undefined && !stopped.signal.aborted; cause = entry.again) {
      entry.again = undefined;
      try {
        await lookAt(project, entry, cause);
      } catch (error) {
        if (stopped.signal.aborted) return;
        // The next interval looks again; what is wrong with the repository is its owner's to mend. An end is looked at
        // whatever the head is, then as well.
        if (cause === 'ended') entry.decided = '';
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
      // The strongest cause stays: an end has to be looked at whatever the head is.
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
