import { execFile, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';

interface Cleanup {
  teardown(end: () => unknown): void;
}

export interface GitServer {
  /** `https://127.0.0.1:<port>`, without a slash at the end. */
  url: string;
  /** File that clients trust. */
  certificate: string;
  /** Path and `Authorization` header of every request so far. */
  requests: { path: string; authorization: string | undefined }[];
}

/**
 * A real git server: `git http-backend` behind https on loopback, with a certificate of its own.
 * Below `/private/` a user name and password are asked for; below `/silent/` it never answers; below `/moved/` it sends
 * the client to a file.
 * @param root folder that holds the repositories; `private` and others may be folders in it
 */
export async function startGitServer(t: Cleanup, root: string, credential: { user: string; password: string }): Promise<GitServer> {
  const [key, certificate] = [join(root, 'key.pem'), join(root, 'certificate.pem')];
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', certificate], { timeout: 30_000 });
  const wanted = `Basic ${Buffer.from(`${credential.user}:${credential.password}`).toString('base64')}`;
  const requests: GitServer['requests'] = [];
  const server = createServer({ key: await readFile(key), cert: await readFile(certificate) }, (request, response) => {
    const path = new URL(request.url ?? '/', 'https://x').pathname;
    requests.push({ path, authorization: request.headers.authorization });
    if (path.startsWith('/silent/')) return;
    if (path.startsWith('/moved/')) return void response.writeHead(302, { location: 'file:///etc/hostname' }).end();
    if (path.startsWith('/private/') && request.headers.authorization !== wanted) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end('no');
    runBackend(root, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, certificate, requests };
}

/** CGI: headers in the environment, the body on standard input, and back. */
function runBackend(root: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? '/', 'https://x');
  const header = (name: string): string => String(request.headers[name] ?? '');
  const backend = spawn('git', ['http-backend'], {
    env: {
      PATH: process.env['PATH'],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      GIT_CONFIG_NOSYSTEM: '1',
      HOME: root,
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: header('content-type'),
      HTTP_CONTENT_ENCODING: header('content-encoding'),
      GIT_PROTOCOL: header('git-protocol'),
      REMOTE_ADDR: '127.0.0.1',
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  backend.stdin.on('error', () => undefined);
  request.pipe(backend.stdin);
  response.once('close', () => backend.kill('SIGKILL'));
  let head: Buffer | undefined = Buffer.alloc(0);
  backend.stdout.on('data', (chunk: Buffer) => {
    if (head === undefined) return void response.write(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0) return;
    const headers = head.toString('latin1', 0, end).split('\r\n').map((line) => /^([^:]+): *(.*)$/.exec(line)!.slice(1) as [string, string]);
    const status = headers.find(([name]) => name.toLowerCase() === 'status')?.[1];
    response.writeHead(status === undefined ? 200 : Number.parseInt(status, 10), Object.fromEntries(headers.filter(([name]) => name.toLowerCase() !== 'status')));
    response.write(head.subarray(end + 4));
    head = undefined;
  });
  backend.stdout.once('end', () => response.end());
}

/** Makes `home` that of a user who trusts the server and has git keep a password for it. */
export async function writeGitHome(home: string, server: GitServer, credential: { user: string; password: string }): Promise<void> {
  const helper = join(home, 'helper.sh');
  await writeFile(helper, `#!/bin/sh\n[ "$1" = get ] && printf 'username=${credential.user}\\npassword=${credential.password}\\n'\nexit 0\n`, { mode: 0o755 });
  await writeFile(join(home, '.gitconfig'), `[http]\n sslCAInfo = ${server.certificate}\n[credential]\n helper = ${helper}\n`);
}
