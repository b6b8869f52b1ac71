import t from 'tap';
import { apiKeyAggregate, useIntervalMs, type ApiKeyCommand, type ApiKeyState } from '../../core/access/api-key.ts';
import { createKey } from '../../core/access/manage.ts';
import { generateKey, hashKey, keyIdOf, matchesHash } from '../../core/access/secret.ts';
import { Scope } from '../../core/gen/aiforge/v1/access_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { createMemoryStore } from '../../core/store/memory-store.ts';
import { Ledger } from '../../core/store/ledger.ts';
import { event } from '../../core/task/events.ts';

const { initialState, decide, evolve, admit } = apiKeyAggregate;
const { sha256 } = generateKey();
const create: ApiKeyCommand = { type: 'create', name: 'n', scopes: [Scope.TRAIN], sha256, expiresAt: 5000 };
const use = (at: number): ApiKeyCommand => ({ type: 'note-use', at });

function run(state: ApiKeyState, command: ApiKeyCommand, time = 1): { state: ApiKeyState; events: string[] } {
  const events = decide(command, state);
  for (const made of events) {
    t.equal(admit(state, made), undefined, 'what is decided is admitted');
    state = evolve(state, made, { id: 'k', time, sequence: 1 });
  }
  return { state, events: events.map(({ kind }) => kind.case!) };
}

t.test('each command in each state', async (t) => {
  const active = run(initialState, create).state;
  const revoked = run(active, { type: 'revoke' }, 9).state;
  t.match(active, { status: 'active', name: 'n', scopes: [Scope.TRAIN], createdAt: 1, expiresAt: 5000, lastUsedAt: 0 });
  t.match(revoked, { status: 'revoked', revokedAt: 9, name: 'n' });
  const cells: [ApiKeyState, ApiKeyCommand, string[] | { code: string }][] = [
    [initialState, create, ['apiKeyCreated']], [initialState, { type: 'revoke' }, { code: 'not_found' }], [initialState, use(useIntervalMs), []],
    [active, create, { code: 'already_exists' }], [active, { type: 'revoke' }, ['apiKeyRevoked']], [active, use(useIntervalMs), ['apiKeyUsed']],
    [revoked, create, { code: 'already_exists' }], [revoked, { type: 'revoke' }, []], [revoked, use(useIntervalMs), []],
  ];
  for (const [state, command, outcome] of cells) {
    if (Array.isArray(outcome)) t.same(run(state, command).events, outcome, `${state.status}: ${command.type}`);
    else t.throws(() => decide(command, state), outcome, `${state.status}: ${command.type}`);
  }
  for (const [state, name] of [[initialState, 'apiKeyRevoked'], [initialState, 'apiKeyUsed'], [revoked, 'apiKeyRevoked'], [revoked, 'apiKeyUsed'], [active, 'taskPaused']] as const) {
    t.type(admit(state, event(name, {})), 'string', `${name} is not admitted when ${state.status}`);
  }
  t.type(admit(initialState, event('apiKeyCreated', { name: 'n' })), 'string', 'a key without a hash would be open to nobody, or all');
});

t.test('use is noted once an hour, however often it is', async (t) => {
  let state = run(initialState, create).state;
  let events = 0;
  for (let at = useIntervalMs; at < 4 * useIntervalMs; at += 60_000) {
    const next = run(state, use(at), at);
    events += next.events.length;
    state = next.state;
  }
  t.equal(events, 3);
});

t.test('keys and their hashes', async (t) => {
  const keys = Array.from({ length: 100 }, generateKey);
  t.equal(new Set(keys.map(({ key }) => key)).size, 100);
  for (const { key, keyId, sha256: hash } of keys) {
    t.match(key, /^forge_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    t.equal(keyIdOf(key), keyId);
    t.ok(matchesHash(key, hash));
  }
  const [{ key, sha256: hash }] = keys as [ReturnType<typeof generateKey>];
  t.notOk(matchesHash(`${key}x`, hash));
  t.notOk(matchesHash(keys[1]!.key, hash));
  t.notOk(matchesHash(key, hashKey('')));
  t.notOk(matchesHash(key, new Uint8Array(0)), 'a hash that is none matches nothing');
  for (const text of ['', key.slice(0, -1), `${key}a`, ` ${key}`, key.replace('forge', 'sk'), key.replace('_', '.')]) t.equal(keyIdOf(text), undefined, text);
});

t.test('what is wrong with a key to be made is said, and nothing is made', async (t) => {
  const ledger = new Ledger({ store: createMemoryStore(), aggregates: [apiKeyAggregate] as never, logger: silentLogger });
  await ledger.start();
  t.teardown(() => ledger.stop());
  const good = { name: 'n', scopes: [Scope.TRAIN] };
  for (const [wrong, field] of [[{ name: '' }, 'name'], [{ name: ' ' }, 'name'], [{ name: 'x'.repeat(101) }, 'name'], [{ name: 'a\nb' }, 'name'], [{ scopes: [] }, 'scopes'], [{ scopes: [0 as Scope] }, 'scopes'], [{ scopes: [Scope.TRAIN, 99 as Scope] }, 'scopes'], [{ expiresInSeconds: 0 }, 'expires_in_seconds'], [{ expiresInSeconds: 2 ** 31 }, 'expires_in_seconds']] as const) {
    await t.rejects(createKey(ledger, { ...good, ...wrong }, 'test'), { code: 'invalid_argument', field });
  }
  const { keyId, secret, state } = await createKey(ledger, { ...good, scopes: [Scope.ADMIN, Scope.TRAIN, Scope.ADMIN], expiresInSeconds: 60 }, 'test', 1000);
  t.same(state.scopes, [Scope.TRAIN, Scope.ADMIN], 'each once');
  t.equal(state.expiresAt, 61_000);
  t.notOk(JSON.stringify(state).includes(secret.slice(19)), 'the key is not in what is stored');
  t.equal(ledger.head(apiKeyAggregate, keyId).version, 1, 'the refused ones left nothing');
});
