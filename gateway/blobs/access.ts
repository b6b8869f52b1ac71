import type { IncomingMessage } from 'node:http';
import { ForgeError } from '../../core/errors.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { nextAttempt, type TaskState } from '../../core/task/state.ts';
import { taskAggregate } from '../../core/task/task.ts';
import { hasHash, isAttemptToken, parseAttemptToken } from '../../core/worker/attempt-token.ts';
import type { AttemptRef } from '../../core/worker/task-runner.ts';
import { credentialOf } from '../access/credential.ts';
import { callerOf } from '../port/caller.ts';
import { runs } from './open-transfers.ts';

export interface BlobAccess {
  /** Who sends: what is uploaded in parts belongs together by it. */
  owner: string;
  /** Undefined for a key. An attempt adds blobs and takes none away. */
  attempt: AttemptRef | undefined;
}

/**
 * Lets an attempt that runs read and add blobs. It may read any whose digest it knows: it knows those of its own inputs and
 * of the files that these name, and to guess another's is to guess 256 bits. Others have passed the gate by an API key.
 * @throws ForgeError unauthenticated, permission_denied (the attempt is over), unavailable (it could not be looked up)
 */
export function createBlobAccess(ledger: Pick<Ledger, 'head' | 'refresh'>): (request: IncomingMessage) => Promise<BlobAccess> {
  return async (request) => {
    const credential = credentialOf(request.headers);
    if (!isAttemptToken(credential)) return { owner: `key ${callerOf(request)}`, attempt: undefined };
    const token = parseAttemptToken(credential);
    if (token === undefined) throw unknown();
    const { taskId, attempt, secret } = token;
    let task = ledger.head(taskAggregate, taskId).state;
    // Another gateway may have started it a moment ago.
    if (!hasBegun(task, attempt)) task = (await ledger.refresh(taskAggregate, taskId)).state;
    if (!hasBegun(task, attempt)) throw unknown();
    if (!runs(task, attempt)) throw new ForgeError('permission_denied', `attempt ${attempt} of ${taskId} is over, and its token with it`);
    if (!hasHash(secret, task.attempt.secretSha256)) throw unknown();
    return { owner: `attempt ${taskId} ${attempt}`, attempt: { taskId, attempt } };
  };
}

function hasBegun(task: TaskState, attempt: number): boolean {
  return task.status !== 'none' && attempt < nextAttempt(task);
}

function unknown(): ForgeError {
  return new ForgeError('unauthenticated', 'there is no such attempt, or its token is another', { field: 'Authorization' });
}
