import t from 'tap';
import { isForgeError } from '../../../core/errors.ts';
import { checkRemoteUrl, redact } from '../../../guardian/git/remote-url.ts';

t.test('https and ssh URLs are taken', async () => {
  for (const url of [
    'https://example.org/team/shop.git',
    'https://example.org:8443/shop',
    'https://[::1]:8443/shop',
    'HTTPS://Example.org/a%20b',
    'ssh://git@example.org/team/shop.git',
    'ssh://git@example.org:2222/~me/shop',
    'ssh://example.org/shop',
    'git@example.org:team/shop.git',
    'git@example.org:/srv/shop',
  ]) {
    checkRemoteUrl(url);
  }
});

t.test('all else is refused, and what may be a secret is not repeated', async (t) => {
  const cases: [url: string, says: RegExp][] = [
    ['', /must not be empty/],
    ['http://example.org/shop', /must be an https or ssh URL/],
    ['git://example.org/shop', /must be an https or ssh URL/],
    ['ftp://example.org/shop', /must be an https or ssh URL/],
    ['file:///srv/hunter2', /must be an https or ssh URL.*FORGE_PROJECT_ROOTS/],
    ['file:/srv/shop', /must be an https or ssh URL/],
    ['ext::sh -c hunter2', /spaces/],
    ['ext::sh%20-c', /must be an https or ssh URL/],
    ['ext::git@example.org:x', /must be an https or ssh URL/],
    ['git@example.org::x', /must be an https or ssh URL/],
    ['fd::17', /must be an https or ssh URL/],
    ['/srv/shop', /must be an https or ssh URL/],
    ['./shop', /must be an https or ssh URL/],
    ['../shop', /must be an https or ssh URL/],
    ['shop', /must be an https or ssh URL/],
    ['C:\\shop', /must be an https or ssh URL/],
    ['example.org:shop', /must be an https or ssh URL/],
    ['-oProxyCommand=hunter2', /begin with a dash/],
    ['--upload-pack=x', /begin with a dash/],
    ['-x@example.org:shop', /begin with a dash/],
    ['git@-oProxyCommand=x:shop', /must be an https or ssh URL/],
    ['git@example.org:-x', /begins with a dash/],
    ['ssh://-oProxyCommand=x/shop', /must name a host/],
    ['ssh://git@-x/shop', /must name a host/],
    ['ssh://-x@example.org/shop', /user name of letters/],
    ['ssh://git@example.org/-x', /begins with a dash/],
    ['ssh://git:hunter2@example.org/shop', /must not hold a password/],
    ['git:hunter2@example.org:shop', /without a password/],
    ['https://me:hunter2@example.org/shop', /must not hold a user name, a password or a token.*git credential/],
    ['https://hunter2@example.org/shop', /must not hold a user name/],
    ['https://a@b:hunter2@example.org/shop', /must not hold a user name/],
    ['https://example.org/shop?access_token=hunter2', /query/],
    ['https://example.org/shop#hunter2', /query or a fragment/],
    ['https://example.org?x/shop', /must name a repository|query/],
    ['https://example.org/', /must name a repository/],
    ['https://example.org', /must name a repository/],
    ['https://example.org//shop', /must name a repository/],
    ['https:///shop', /must name a host/],
    ['https://exa_mple.org/shop', /must name a host/],
    ['https://example.org:99999/shop', /port/],
    ['https://example.org:/shop', /port/],
    ['https://example.org/a%0ahost=evil', /control characters/],
    ['https://example.org/a\nb', /control characters/],
    ['https://ex\u0430mple.org/shop', /ASCII/],
    [`https://example.org/${'x'.repeat(2_100)}`, /at most 2048/],
  ];
  for (const [url, says] of cases) {
    try {
      checkRemoteUrl(url);
      t.fail(`not refused: ${url}`);
    } catch (error) {
      if (!isForgeError(error, 'invalid_argument')) throw error;
      t.equal(error.field, 'url');
      t.match(error.message, says, url.slice(0, 50));
      t.notMatch(error.message, /hunter2/);
    }
  }
});

t.test('what git said is shown without credentials', async (t) => {
  t.equal(redact("fatal: could not read 'https://me:hunter2@example.org/a@b?token=hunter2'\n"), "fatal: could not read 'https://***@example.org/a@b?***'");
  t.equal(redact('remote: ssh://git@example.org/x\u001b[2Jy'), 'remote: ssh://***@example.org/x [2Jy');
  t.equal(redact('x'.repeat(9_999)).length, 500);
});
