import { randomUUID } from 'node:crypto';
import { create, fromBinary, toBinary, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { ForgeError, errorCodes, type ErrorCode } from '../core/errors.ts';
import { GuardianCallSchema, GuardianReplySchema, type GuardianReply } from '../core/gen/aiforge/v1/guardian_pb.ts';

/** The guardian says within this that it is at work, and goes on saying so. */
const silenceMs = 2_000;
/** Status by which nats-server says that a request has no subscriber. */
const noResponders = 503;

export interface GuardianClient {
  /**
   * Calls a method that the guardian answers, which has the repositories.
   * @returns its response, and the sequence that a reader must have applied to see what was done
   * @throws ForgeError what the guardian says; too_large when NATS does not carry it; unavailable when it is silent for 2 s; cancelled
   */
  call<I extends DescMessage, O extends DescMessage>(
    method: { name: string; input: I; output: O },
    request: MessageInitShape<I>,
    options: { idempotencySha256?: string | undefined; signal?: AbortSignal },
  ): Promise<{ response: MessageShape<O>; sequence: number }>;
}

export function createGuardianClient(connection: NatsConnection): GuardianClient {
  return {
    async call(method, request, { idempotencySha256 = '', signal }) {
      const message = create(GuardianCallSchema, { request: toBinary(method.input, create(method.input, request)), idempotencySha256: Buffer.from(idempotencySha256, 'hex') });
      const data = toBinary(GuardianCallSchema, message);
      checkSize(connection, data);
      const reply = await ask(connection, `guardian.call.${method.name}`, data, signal);
      if (reply.errorCode !== '') {
        const code = (errorCodes as readonly string[]).includes(reply.errorCode) ? (reply.errorCode as ErrorCode) : 'internal';
        throw new ForgeError(code, reply.errorMessage, { field: reply.errorField || undefined });
      }
      return { response: fromBinary(method.output, reply.response), sequence: Number(reply.sequence) };
    },
  };
}

/** A message over the server's limit would be lost without a word of why. */
function checkSize({ info }: NatsConnection, { length }: Uint8Array): void {
  if (info !== undefined && length > info.max_payload) throw new ForgeError('too_large', `body: the request has ${length} bytes, and NATS carries at most ${info.max_payload}: send less, or raise max_payload of nats-server`, { field: 'body' });
}

/** Sends once and takes the last of the replies: those before only say that there will be one. */
function ask(connection: NatsConnection, subject: string, data: Uint8Array, signal: AbortSignal | undefined): Promise<GuardianReply> {
  const { promise, resolve, reject } = Promise.withResolvers<GuardianReply>();
  const reply = `_INBOX.gateway.${randomUUID()}`;
  let heard = false;
  const silent = (cause?: unknown): void =>
    reject(new ForgeError('unavailable', heard ? 'the guardian fell silent while it was at work: look whether it was done before you try again' : 'the guardian does not answer, and it has the repositories: nothing was created; try again', { retryAfterSeconds: 2, cause }));
  let timer = setTimeout(silent, silenceMs);
  const take = (error: Error | null, message: Msg): void => {
    // The server's word that nobody listens. An empty answer alone is none: so does a response look that has nothing to say.
    if (error !== null || (message.data.length === 0 && message.headers?.code === noResponders)) return silent(error);
    try {
      const answer = fromBinary(GuardianReplySchema, message.data);
      if (!answer.working) return resolve(answer);
      heard = true;
      clearTimeout(timer);
      timer = setTimeout(silent, silenceMs);
    } catch (cause) {
      reject(new ForgeError('internal', 'the guardian’s answer can’t be read', { cause }));
    }
  };
  const gone = (): void => reject(new ForgeError('cancelled', 'the client went away'));
  const subscription = connection.subscribe(reply, { callback: take });
  signal?.addEventListener('abort', gone, { once: true });
  try {
    connection.publish(subject, data, { reply });
  } catch (cause) {
    silent(cause);
  }
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', gone);
    subscription.unsubscribe();
  });
}
