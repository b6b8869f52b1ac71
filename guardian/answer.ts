import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { isForgeError } from '../core/errors.ts';
import { faultPoint } from '../core/fault.ts';
import { ResolveRequestSchema, ResolveResponseSchema } from '../core/gen/aiforge/v1/guardian_pb.ts';
import type { Logger } from '../core/logger.ts';
import { createCoalescer } from './coalesce.ts';
import { resolveSource, type ResolveSettings, type Source } from './resolve.ts';

export const resolveSubject = 'guardian.resolve';

/** Answers which repository and commit a request means. @returns what stops it, once the answers under way are sent */
export function answerResolve(nats: NatsConnection, settings: ResolveSettings, logger: Logger): () => Promise<void> {
  const shared = createCoalescer<Source>();
  const underWay = new Set<Promise<void>>();

  async function answer(message: Msg): Promise<void> {
    const response = await decide(message.data);
    faultPoint('guardian.resolve.answer');
    message.respond(toBinary(ResolveResponseSchema, create(ResolveResponseSchema, response)));
  }

  async function decide(data: Uint8Array): Promise<MessageInitShape<typeof ResolveResponseSchema>> {
    try {
      const { projectName, projectPath } = fromBinary(ResolveRequestSchema, data);
      return await shared(JSON.stringify([projectName, projectPath]), () => resolveSource({ projectName, projectPath }, settings));
    } catch (error) {
      if (isForgeError(error)) return { errorCode: error.code, errorMessage: error.message, errorField: error.field ?? '' };
      logger.error('a project could not be resolved', { error });
      return { errorCode: 'internal', errorMessage: 'the guardian failed; its log says why' };
    }
  }

  const subscription = nats.subscribe(resolveSubject, {
    queue: 'guardian',
    callback: (error, message) => {
      // Only inboxes are answered: any other subject could be one that means something.
      if (error !== null || message.reply === undefined || !message.reply.startsWith('_INBOX.')) return;
      const done = answer(message)
        .catch((cause: unknown) => logger.warn('an answer could not be sent', { error: cause }))
        .finally(() => underWay.delete(done));
      underWay.add(done);
    },
  });
  return async () => {
    subscription.unsubscribe();
    await Promise.all(underWay);
  };
}
