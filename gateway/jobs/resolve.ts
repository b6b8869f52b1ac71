import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import { ForgeError, errorCodes, type ErrorCode } from '../../core/errors.ts';
import { ResolveRequestSchema, ResolveResponseSchema } from '../../core/gen/aiforge/v1/guardian_pb.ts';

const timeoutMs = 2_000;

/** What to make a dataset of: a repository (or the URL of a remote one) at a commit. */
export interface ResolvedSource {
  repository: string;
  url: string;
  commit: string;
}

export type Resolve = (project: { projectName: string; projectPath: string; ref: string }) => Promise<ResolvedSource>;

/**
 * Asks the guardian, which has the repositories, what is meant, and pins the commit.
 * @returns a function that throws ForgeError: what the guardian says, or unavailable when it does not answer in 2 s
 */
export function createResolve(connection: NatsConnection): Resolve {
  return async (project) => {
    let answer;
    try {
      const message = await connection.request('guardian.resolve', toBinary(ResolveRequestSchema, create(ResolveRequestSchema, project)), { timeout: timeoutMs });
      answer = fromBinary(ResolveResponseSchema, message.data);
    } catch (error) {
      throw new ForgeError('unavailable', 'the guardian does not answer, and it has the repositories: nothing was created; try again', { cause: error, retryAfterSeconds: 2 });
    }
    if (answer.errorCode !== '') {
      const code = (errorCodes as readonly string[]).includes(answer.errorCode) ? (answer.errorCode as ErrorCode) : 'internal';
      throw new ForgeError(code, answer.errorMessage, { field: answer.errorField || undefined });
    }
    return { repository: answer.repository, url: answer.url, commit: answer.commit };
  };
}
