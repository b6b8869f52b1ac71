import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

// Codes of nats-server's errors.json.
const isAnyOf = (error: unknown, ...codes: number[]): boolean => error instanceof JetStreamApiError && codes.includes(error.code);

/** Wrong expected sequence: on one server, and in a cluster. */
export const isConflict = (error: unknown): boolean => isAnyOf(error, 10071, 10164);
export const isNoMessage = (error: unknown): boolean => isAnyOf(error, 10037);
export const isNoStream = (error: unknown): boolean => isAnyOf(error, 10059);
/** The stream is at its limit of messages and takes no more. */
export const isFull = (error: unknown): boolean => isAnyOf(error, 10077);
/** No answer, or that of a cluster that has no leader now, or not enough nodes yet. */
export const isElecting = (error: unknown): boolean => error instanceof errors.TimeoutError || isAnyOf(error, 10005, 10008, 10009);
