import { invalid } from '../../core/errors.ts';

const host = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])$/i;
const user = /^[a-z0-9_][a-z0-9_.-]*$/i;
const remedy = 'give https://host/path, ssh://user@host/path or user@host:path';

/**
 * Checks that a URL is one of a remote repository by https or ssh, and holds no credential: those come from git's own
 * helpers and ssh keys. Errors never repeat the URL, since what is wrong with it may be a secret in it.
 * @throws ForgeError invalid_argument (field `url`)
 */
export function checkRemoteUrl(url: string): void {
  if (url === '') throw invalid('url', `must not be empty; ${remedy}`);
  if (url.length > 2_048) throw invalid('url', 'must be at most 2048 characters long');
  if (/[^\x21-\x7e]/.test(url)) throw invalid('url', 'must not contain spaces, control characters or letters outside ASCII; write those as %xx');
  if (url.startsWith('-')) throw invalid('url', 'must not begin with a dash');
  if (/%(?:[01][0-9a-f]|7f)/i.test(url)) throw invalid('url', 'must not contain control characters, not as %xx either');
  const scheme = /^([a-z0-9+.-]+):\/\//i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return checkShort(url);
  if (scheme !== 'https' && scheme !== 'ssh') throw invalid('url', `must be an https or ssh URL; ${remedy}. A local repository goes into path, under one of FORGE_PROJECT_ROOTS`);
  const [, authority = '', path = ''] = /^[^:]+:\/\/([^/?#]*)([^]*)$/.exec(url) ?? [];
  const at = authority.lastIndexOf('@');
  if (at >= 0) checkUser(scheme, authority.slice(0, at));
  const [, name = '', port] = /^(.*?)(?::(\d*))?$/.exec(authority.slice(at + 1)) ?? [];
  if (!host.test(name)) throw invalid('url', `must name a host after ${scheme}://; ${remedy}`);
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)) throw invalid('url', 'must have a port from 1 to 65535');
  if (/[?#]/.test(path)) throw invalid('url', 'must not have a query or a fragment; if it holds a token, store that in a git credential helper');
  if (!/^\/[^/]/.test(path)) throw invalid('url', `must name a repository after the host; ${remedy}`);
  if (path.startsWith('/-')) throw invalid('url', 'must not have a path that begins with a dash');
}

/** As `git@host:path`, git's short form of an ssh URL. */
function checkShort(url: string): void {
  const [, name, server = '', path = ''] = /^([^@:/]+)@([^:/]+):([^]+)$/.exec(url) ?? [];
  // `helper::address` runs the program git-remote-helper.
  if (name === undefined || !user.test(name) || !host.test(server) || path.startsWith(':')) {
    const secret = /@/.test(url) ? ' without a password' : '';
    throw invalid('url', `must be an https or ssh URL${secret}; ${remedy}. A local repository goes into path, under one of FORGE_PROJECT_ROOTS`);
  }
  if (path.startsWith('-')) throw invalid('url', 'must not have a path that begins with a dash');
}

function checkUser(scheme: 'https' | 'ssh', name: string): void {
  if (scheme === 'https') throw invalid('url', 'must not hold a user name, a password or a token; store them with git credential (git config --global credential.helper store), and leave them out here');
  if (name.includes(':')) throw invalid('url', 'must not hold a password; use an ssh key');
  if (!user.test(name)) throw invalid('url', 'must have a user name of letters, digits, ".", "_" and "-"');
}

/** What git said, without what may be a credential in a URL, and short enough to be shown. */
export function redact(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)[^\s/'"]*@/gi, '$1***@').replace(/[?&][^\s'"]*/g, '?***').replace(/[\0-\x09\x0b-\x1f\x7f]/g, ' ').trim().slice(0, 500);
}
