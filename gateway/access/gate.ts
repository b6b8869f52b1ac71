import type { IncomingHttpHeaders } from 'node:http';
import { apiKeyAggregate, useIntervalMs } from '../../core/access/api-key.ts';
import { listKeys } from '../../core/access/manage.ts';
import { keyIdOf, matchesHash } from '../../core/access/secret.ts';
import { ForgeError } from '../../core/errors.ts';
import { Scope } from '../../core/gen/aiforge/v1/access_pb.ts';
import type { Logger } from '../../core/logger.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import { isAttemptToken } from '../../core/worker/attempt-token.ts';
import { Bag, type Bagged } from '../port/bag.ts';
import { credentialOf } from './credential.ts';
import type { Need } from './needs.ts';
import type { RouteTable } from './route-table.ts';
import { createTally, type AccessLimits, type Tally } from './tally.ts';
import type { Tickets } from './tickets.ts';

/** A request as far as it decides who may come in. */
export interface Visitor {
  verb: string;
  /** Without its query. */
  path: string;
  headers: IncomingHttpHeaders;
  /** Ends it: its key was revoked. */
  end(): void;
}

/** Whoever came in, until `leave`. */
export interface Pass {
  /** Key id, or `anonymous`. */
  caller: string;
  leave(): void;
}

/** Somebody who is in, with a key. */
interface OpenPass extends Pass, Bagged {
  end(): void;
}

/** The one check that every request passes before any lane sees it. */
export interface Gate {
  /** @throws ForgeError unauthenticated, permission_denied, rate_limited */
  enter(visitor: Visitor): Pass;
  /** A WebSocket, which may bring a ticket instead of a key. @throws ForgeError as `enter`, and unavailable */
  enterSocket(visitor: Visitor, ticket: string | undefined): Promise<Pass>;
  /** Whether errors at that path are in OpenAI's form. */
  isOpenAi(path: string): boolean;
  stop(): void;
}

/** Whom nothing is known of: all callers while keys are off. */
export const anonymous = 'anonymous';

const scopeOf: Readonly<Record<Exclude<Need, 'open' | 'keyless' | 'any'>, Scope>> = { attempt: Scope.ADMIN, inference: Scope.INFERENCE, train: Scope.TRAIN, admin: Scope.ADMIN };
/** No key has this hash, so that an unknown one is compared like any other. */
const nobody = new Uint8Array(32);

export interface GateDeps {
  /** Whether keys are asked for. */
  keys: boolean;
  ledger: Ledger;
  tickets: Tickets;
  routes: RouteTable;
  limits: AccessLimits;
  logger: Logger;
  now?: () => number;
}

export function createGate(deps: GateDeps): Gate {
  const { keys, ledger, tickets, routes, logger, now = Date.now } = deps;
  const tally: Tally = createTally(deps.limits);
  const open = new Map<string, Bag<OpenPass>>();
  const noting = new Set<string>();

  if (keys && !listKeys(ledger).some(([, { status }]) => status === 'active')) {
    logger.warn('API keys are on and there is none, so that nobody may call: npm run keys -- create --name admin --scopes admin');
  }

  const noteUse = (keyId: string, lastUsedAt: number): void => {
    if (noting.has(keyId) || now() - lastUsedAt < useIntervalMs) return;
    noting.add(keyId);
    const at = now();
    ledger.execute(apiKeyAggregate, keyId, { type: 'note-use', at }, { commandId: crypto.randomUUID(), actor: 'gateway', time: at }).then(
      () => noting.delete(keyId),
      (error: unknown) => {
        logger.warn('the use of a key was not noted', { keyId, error: (error as Error).message });
        setTimeout(() => noting.delete(keyId), 60_000).unref();
      },
    );
  };

  /** @throws ForgeError where a key may not be used, or not for this */
  const holds = (keyId: string, need: Need): void => {
    const { state } = ledger.head(apiKeyAggregate, keyId);
    if (state.status !== 'active') throw unauthenticated('this API key was revoked', true);
    if (now() >= state.expiresAt) throw unauthenticated('this API key has expired', true);
    if (need !== 'any' && need !== 'open' && need !== 'keyless' && !state.scopes.includes(scopeOf[need]) && !state.scopes.includes(Scope.ADMIN)) {
      throw new ForgeError('permission_denied', `this API key lacks the scope ${need === 'attempt' ? 'admin' : need}, which this takes`);
    }
    noteUse(keyId, state.lastUsedAt);
  };

  /** @returns the id of the key that was proven */
  const authenticate = (headers: IncomingHttpHeaders): string | undefined => {
    const key = credentialOf(headers);
    if (key === undefined) return undefined;
    const keyId = keyIdOf(key) ?? '';
    const { state } = ledger.head(apiKeyAggregate, keyId);
    if (!matchesHash(key, state.status === 'none' ? nobody : state.sha256)) throw unauthenticated('there is no such API key', true);
    return keyId;
  };

  const admit = (visitor: Visitor, caller: string, count: () => void): Pass => {
    if (caller === anonymous) return { caller, leave: count };
    let passes = open.get(caller);
    if (passes === undefined) open.set(caller, (passes = new Bag()));
    const pass: OpenPass = {
      caller,
      place: -1,
      end: () => visitor.end(),
      leave() {
        count();
        passes.delete(pass);
        if (passes.size === 0 && open.get(caller) === passes) open.delete(caller);
      },
    };
    passes.add(pass);
    return pass;
  };

  ledger.onApplied(({ stored, head }) => {
    if (stored.aggregate !== apiKeyAggregate.name || (head.state as { status: string }).status !== 'revoked') return;
    for (const pass of open.get(stored.id)?.all() ?? []) pass.end();
  });

  // A key that expires ends what is open with it, as a revoked one does: within a second.
  const watching = setInterval(() => {
    for (const [keyId, passes] of open) {
      const { state } = ledger.head(apiKeyAggregate, keyId);
      if (state.status === 'active' && now() >= state.expiresAt) for (const pass of passes.all()) pass.end();
    }
  }, 1_000).unref();

  return {
    stop: () => clearInterval(watching),
    enter(visitor) {
      const need = routes.need(visitor.verb, visitor.path);
      if (need === 'open') return { caller: anonymous, leave() {} };
      let caller = anonymous;
      if (keys && need !== 'keyless' && !(need === 'attempt' && isAttemptToken(credentialOf(visitor.headers)))) {
        const keyId = authenticate(visitor.headers);
        if (keyId === undefined) throw unauthenticated('an API key is required, as "Authorization: Bearer forge_..." or "x-api-key"', false);
        holds(keyId, need);
        caller = keyId;
      }
      return admit(visitor, caller, tally.enter(caller === anonymous ? undefined : caller, need === 'inference' && visitor.verb === 'POST'));
    },
    async enterSocket(visitor, ticket) {
      if (!keys) return { caller: anonymous, leave() {} };
      const keyId = authenticate(visitor.headers) ?? (ticket === undefined ? undefined : await tickets.redeem(ticket));
      if (keyId === undefined) throw unauthenticated('an API key is required, as "Authorization: Bearer forge_...", or a ticket of POST /v1/tickets, as "?ticket="', false);
      holds(keyId, routes.need(visitor.verb, visitor.path));
      return admit(visitor, keyId, () => undefined);
    },
    isOpenAi: routes.isOpenAi,
  };
}

/** @param given whether a key was there, which a client takes as "do not send this one again" (RFC 6750, section 3) */
function unauthenticated(text: string, given: boolean): ForgeError {
  return new ForgeError('unauthenticated', text, given ? { field: 'Authorization' } : {});
}
