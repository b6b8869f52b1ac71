/**
 * Whether an answer may go to a request's reply subject: below the inbox of whoever may ask, and nowhere else, since a
 * reply subject may name any, an event's too. `_R_.` is what nats-server puts in place of it for a request that came from
 * another account, and leads to nothing but that request's own; it refuses requests in which a client names one.
 * @param inbox such as `_INBOX.guardian`
 */
export function isAnswerable(reply: string | undefined, inbox: string): reply is string {
  return reply !== undefined && (reply.startsWith(`${inbox}.`) || reply.startsWith('_R_.'));
}
