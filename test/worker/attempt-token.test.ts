import t from 'tap';
import { attemptToken, hasHash, hashSecret, isAttemptToken, newSecret, parseAttemptToken } from '../../core/worker/attempt-token.ts';

t.test('a token names its attempt and proves it', async (t) => {
  const [secret, other] = [newSecret(), newSecret()];
  const ref = { taskId: 'job_20240117_120000.export', attempt: 12 };
  const token = attemptToken(ref, secret);
  t.match(token, /^[A-Za-z0-9._~+/-]+$/, 'what a bearer token may hold (RFC 6750)');
  t.ok(isAttemptToken(token));
  t.same(parseAttemptToken(token), { ...ref, secret });
  t.ok(hasHash(secret, hashSecret(secret)));
  for (const sha256 of [hashSecret(other), new Uint8Array(), hashSecret(secret).subarray(1)]) t.notOk(hasHash(secret, sha256));
  for (const text of [undefined, '', 'forge_attempt', 'forge_1f0c9a8b7d6e_x']) t.notOk(isAttemptToken(text));
  for (const text of [`${token}x`, token.replace('~12~', '~0~'), token.replace('~12~', '~'), token.replace('job', '~'), token.replace('job', '/..'), token.slice(0, -1)]) t.equal(parseAttemptToken(text), undefined, text.replace(secret, 'secret'));
});
