import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { isForgeError } from '../../core/errors.ts';
import { faultPoint } from '../../core/fault.ts';
import { StepRequestSchema, StepResponseSchema } from '../../core/gen/aiforge/v1/pipeline_pb.ts';
import type { Logger } from '../../core/logger.ts';
import { isAnswerable } from '../../core/reply-subject.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { carryOut } from './carry-out.ts';

/** The gateway's side of a pipeline: the guardian asks, and the gateway decides on tasks and models. */
export function serveSteps({ connection, ledger, logger }: { connection: NatsConnection; ledger: Ledger; logger: Logger }): { stop(): Promise<void> } {
  const underWay = new Set<Promise<void>>();

  async function answer(message: Msg): Promise<void> {
    const response = await decide(message.data);
    faultPoint('gateway.step.answer');
    message.respond(toBinary(StepResponseSchema, create(StepResponseSchema, response)));
  }

  async function decide(data: Uint8Array): Promise<MessageInitShape<typeof StepResponseSchema>> {
    try {
      return { taskId: await carryOut(ledger, fromBinary(StepRequestSchema, data)) };
    } catch (error) {
      if (isForgeError(error)) return { errorCode: error.code, errorMessage: error.message };
      logger.error('a step of a pipeline could not be carried out', { error });
      return { errorCode: 'internal', errorMessage: 'the gateway failed; its log says why' };
    }
  }

  const subscription = connection.subscribe('pipeline.step', {
    queue: 'gateway',
    callback: (error, message) => {
      if (error !== null || !isAnswerable(message.reply, '_INBOX.guardian')) return;
      const work = answer(message)
        .catch((cause: unknown) => logger.warn('an answer to a pipeline could not be sent', { error: cause }))
        .finally(() => underWay.delete(work));
      underWay.add(work);
    },
  });
  return {
    async stop() {
      subscription.unsubscribe();
      await Promise.allSettled(underWay);
    },
  };
}
