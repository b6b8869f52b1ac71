import type { IncomingMessage } from 'node:http';
import { ForgeError } from '../../core/errors.ts';
import { sha256Hex } from '../../core/store/envelope.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { nextAttempt, type TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { hasHash, isAttemptToken, parseAttemptToken } from '../../core/worker/attempt-token.ts';
import type { AttemptRef } from '../../core/worker/task-runner.ts';
import { credentialOf } from '../access/credential.ts';
import { callerOf } from '../port/caller.ts';
import { ownerOf, runs } from './open-transfers.ts';

export interface BlobAccess {
  /** Who sends: what is uploaded in parts belongs together by it. */
  owner: string;
  /** Undefined for a key. An attempt adds blobs and takes none away. */
  attempt: AttemptRef | undefined;
}

/** Reads at the stream's leader at once, for tokens that nothing is known of here: anybody can make some up. */
const maxLooks = 8;
/** For so long, and for so many, a token that the leader knew nothing of is not asked for again. */
const deniedMs = 5_000;
const maxDenied = 1_000;

/**
 * Lets an attempt that runs read and add blobs. It may read any whose digest it knows: it knows those of its own inputs and
 * of the files that these name, and to guess another's is to guess 256 bits. Others have passed the gate by an API key.
 * A token that is not that of a running attempt gets one answer, whatever is wrong with it: which tasks there are is
 * nobody's business who has no key.
 * @throws ForgeError unauthenticated, rate_limited, unavailable (it could not be looked up)
 */
export function createBlobAccess(ledger: Pick<Ledger, 'head' | 'refresh'>): (request: IncomingMessage) => Promise<BlobAccess> {
  let looks = 0;
  /** Until when, by the token's hash, oldest first. Not by its task: nobody is kept out by what another made up. */
  const denied = new Map<string, number>();

  /** Another gateway may have started it a moment ago. */
  async function lookUp(taskId: string, attempt: number, token: string): Promise<TaskState> {
    const key = sha256Hex(token);
    if ((denied.get(key) ?? 0) > performance.now()) throw unknown();
    if (looks >= maxLooks) throw new ForgeError('rate_limited', 'too many unknown attempts are being looked up; try again', { retryAfterSeconds: 1 });
    looks += 1;
    try {
      const task = (await ledger.refresh(taskAggregate, taskId)).state;
      if (hasBegun(task, attempt)) return task;
    } finally {
      looks -= 1;
    }
    denied.delete(key);
    denied.set(key, performance.now() + deniedMs);
    if (denied.size > maxDenied) denied.delete(denied.keys().next().value!);
    throw unknown();
  }

  return async (request) => {
    const credential = credentialOf(request.headers);
    if (!isAttemptToken(credential)) return { owner: `key ${callerOf(request)}`, attempt: undefined };
    const token = parseAttemptToken(credential);
    if (token === undefined) throw unknown();
    const { taskId, attempt, secret } = token;
    const known = ledger.head(taskAggregate, taskId).state;
    const task = hasBegun(known, attempt) ? known : await lookUp(taskId, attempt, credential);
    if (!runs(task, attempt) || !hasHash(secret, task.attempt.secretSha256)) throw unknown();
    return { owner: ownerOf({ taskId, attempt }), attempt: { taskId, attempt } };
  };
}

function hasBegun(task: TaskState, attempt: number): boolean {
  return task.status !== 'none' && attempt < nextAttempt(task);
}

function unknown(): ForgeError {
  return new ForgeError('unauthenticated', 'there is no such attempt, it is over, or its token is another', { field: 'Authorization' });
}
