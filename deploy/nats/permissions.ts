import { guardianApiPrefix } from '../../core/nats.ts';
import type { NatsRole } from '../../core/nats-credentials.ts';

/** Subjects that a user may publish to and subscribe to, as in nats-server's configuration. */
export interface Permissions {
  publish: { allow: string[]; deny?: string[] };
  subscribe: { allow: string[] };
}

/** What a reader of streams needs of JetStream's API. Nobody gets STREAM.UPDATE, DELETE, PURGE, MSG.DELETE or RESTORE. */
export function readApi(...streams: readonly string[]): string[] {
  return streams.flatMap((stream) => [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
  ]);
}

/** As the guardian names a subject of JetStream's API. */
export function asGuardian(subject: string): string {
  return subject.replace(/^\$JS\.API\./, `${guardianApiPrefix}.`);
}

/** Subjects of the events that the guardian alone appends. */
export const guardianEvents = ['forge.project.>', 'forge.pipeline.>'];

/** A worker asks, reports, beats and pins as itself: `work.<verb>.<worker id>`. */
const workerSubjects = (workerId: string): string[] => [`work.*.${workerId}`, `telemetry.${workerId}.>`];
/** Where answers go to requests from another account. */
const foreignReplies = '_R_.>';

/** Making a stream that is there with other settings is refused by nats-server, so that making one changes none. */
const make = (...streams: readonly string[]): string[] => streams.map((stream) => `$JS.API.STREAM.CREATE.${stream}`);

/** @param id worker id of an agent or a gateway */
export function permissionsOf(role: NatsRole, id: string): Permissions {
  switch (role) {
    case 'agent':
      return { publish: { allow: workerSubjects(id) }, subscribe: { allow: [`_INBOX.${id}.>`, 'work.wake'] } };
    case 'guardian':
      return {
        publish: { allow: [...guardianEvents, 'pipeline.step', ...workerSubjects('guardian'), foreignReplies, ...readApi('FORGE').map(asGuardian)] },
        subscribe: { allow: ['guardian.call.*', '_INBOX.guardian.>', 'work.wake'] },
      };
    case 'gateway': {
      // It deploys, as a worker of its own.
      const worker = `deploy-${id}`;
      return {
        publish: {
          allow: ['forge.>', 'ticket.*', 'work.wake', 'gateway.beat.*', 'guardian.call.*', ...workerSubjects(worker), '_INBOX.>', foreignReplies, ...readApi('FORGE', 'TELEMETRY', 'TICKETS'), ...make('FORGE', 'TELEMETRY', 'TICKETS')],
          deny: guardianEvents,
        },
        subscribe: { allow: ['work.*.*', 'work.wake', 'gateway.beat.*', 'gateway.state', 'pipeline.step', `_INBOX.${worker}.>`, '_INBOX.gateway.>'] },
      };
    }
    case 'operator':
      return {
        publish: { allow: ['forge.>', 'gateway.state', ...readApi('FORGE'), ...make('FORGE')] },
        subscribe: { allow: ['_INBOX.operator.>', '_INBOX.verify.>'] },
      };
  }
}
