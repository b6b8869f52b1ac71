import type { NatsRole } from '../../core/nats-credentials.ts';
import { asGuardian, guardianEvents, permissionsOf, readApi } from './permissions.ts';

/** Who may connect, by the public key of its nkey. */
export interface User {
  role: NatsRole;
  id: string;
  /** `U…` */
  publicKey: string;
}

/**
 * The accounts of nats-server, as a part of its configuration that others include.
 *
 * The guardian has an account of its own. Whoever may ask JetStream's API can have its answer, or a stored message,
 * delivered to any subject of its account by naming it as the reply subject, and so write where it may not publish. In
 * an account that has none but its own subjects of events there is nothing else to write to. Agents may not ask
 * JetStream's API, and need none.
 */
export function accountsConfig(users: readonly User[]): string {
  const usersOf = (...roles: readonly NatsRole[]) => users.filter(({ role }) => roles.includes(role)).map(({ role, id, publicKey }) => ({ nkey: publicKey, permissions: permissionsOf(role, id) }));
  const toGuardian = guardianServices();
  const accounts = {
    FORGE: {
      jetstream: 'enabled',
      users: usersOf('gateway', 'agent', 'operator'),
      exports: [
        ...toGuardian.map(({ subject, many }) => ({ service: subject, accounts: ['GUARDIAN'], ...(many ? { response_type: 'stream' } : {}) })),
        { stream: 'work.wake', accounts: ['GUARDIAN'] },
      ],
      imports: [
        { service: { account: 'GUARDIAN', subject: 'guardian.call.*' } },
        { stream: { account: 'GUARDIAN', subject: 'telemetry.guardian.>' } },
      ],
    },
    GUARDIAN: {
      users: usersOf('guardian'),
      exports: [
        { service: 'guardian.call.*', accounts: ['FORGE'], response_type: 'stream' },
        { stream: 'telemetry.guardian.>', accounts: ['FORGE'] },
      ],
      imports: [
        ...toGuardian.map(({ subject }) => ({ service: { account: 'FORGE', subject }, ...(asGuardian(subject) === subject ? {} : { to: asGuardian(subject) }) })),
        { stream: { account: 'FORGE', subject: 'work.wake' } },
      ],
    },
  };
  return `# Written by npm run fleet. Public keys and permissions only.\naccounts: ${JSON.stringify(accounts, undefined, 2)}\n`;
}

/** What the guardian asks, and whether there may be more answers than one: from each gateway, or a message after the other. */
function guardianServices(): { subject: string; many: boolean }[] {
  const isMany = (subject: string): boolean => subject === 'work.*.guardian' || subject.includes('.MSG.NEXT.');
  return [...guardianEvents, 'pipeline.step', 'work.*.guardian', ...readApi('FORGE')].map((subject) => ({ subject, many: isMany(subject) }));
}
