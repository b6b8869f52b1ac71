import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { createKey, listKeys, revokeKey, type KnownKey } from '../../core/access/manage.ts';
import type { AccessService, ApiKeySchema } from '../../core/gen/aiforge/v1/access_pb.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Implementation } from '../method.ts';
import { pageOf } from '../page.ts';
import type { Tickets } from './tickets.ts';

/** Keys and tickets, for callers that the gate has let in. */
export function createAccessService({ ledger, tickets }: { ledger: Ledger; tickets: Tickets }): Implementation<typeof AccessService> {
  return {
    async createKey(request, { caller }) {
      const { keyId, secret, state } = await createKey(ledger, request, `client:${caller}`);
      return { key: view(keyId, state), secret };
    },
    async listKeys(request, { signal }) {
      // What another gateway or the command line did a moment ago is in it.
      await ledger.catchUp(signal);
      const page = pageOf(listKeys(ledger), request, ([keyId]) => keyId);
      return { keys: page.items.map(([keyId, state]) => view(keyId, state)), nextPageToken: page.next };
    },
    async revokeKey({ keyId }, { caller }) {
      return { key: view(keyId, await revokeKey(ledger, keyId, `client:${caller}`)) };
    },
    async createTicket(_request, { caller }) {
      const { ticket, expiresAt } = await tickets.issue(caller);
      return { ticket, expiresAt: timestampFromMs(expiresAt) };
    },
  };
}

function view(keyId: string, state: KnownKey): MessageInitShape<typeof ApiKeySchema> {
  return {
    keyId,
    name: state.name,
    scopes: [...state.scopes],
    createdAt: timestampFromMs(state.createdAt),
    ...(state.expiresAt === Infinity ? {} : { expiresAt: timestampFromMs(state.expiresAt) }),
    ...(state.status === 'revoked' ? { revokedAt: timestampFromMs(state.revokedAt) } : {}),
    ...(state.lastUsedAt === 0 ? {} : { lastUsedAt: timestampFromMs(state.lastUsedAt) }),
  };
}
