import { simpleGit, type SimpleGit } from 'simple-git';
import { inherited } from './run.ts';

/**
 * These stand above every configuration. A server is somebody else: what it sends is checked, only https and ssh are
 * spoken whatever it redirects to, and nothing that is fetched is run, checked out or followed.
 */
const settings = [
  'protocol.allow=never',
  'protocol.https.allow=always',
  'protocol.ssh.allow=always',
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'transfer.fsckObjects=true',
  'fetch.recurseSubmodules=false',
  'submodule.recurse=false',
  // Each fetch is one pack, whose growth can be seen; they are joined before git ends, not in the background.
  'fetch.unpackLimit=1',
  'gc.autoDetach=false',
  'maintenance.autoDetach=false',
];

/** The user's own credentials are used: helpers and keys are found by these. */
const credentials = ['SSH_AUTH_SOCK', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS', 'GNUPGHOME'];
const network = ['http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY', 'SSL_CERT_FILE', 'SSL_CERT_DIR'];

/** Never asks: a daemon has nobody to answer. */
const quiet = {
  LC_ALL: 'C',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '',
  GCM_INTERACTIVE: 'never',
  GIT_SSH_COMMAND: 'ssh -oBatchMode=yes -oConnectTimeout=20 -oServerAliveInterval=15 -oServerAliveCountMax=4',
  GIT_ALLOW_PROTOCOL: 'https:ssh',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_NO_REPLACE_OBJECTS: '1',
};

/** A git that may reach remote repositories, in one folder, until the signal is aborted. */
export function remoteGit(folder: string, signal: AbortSignal): SimpleGit {
  return simpleGit({
    baseDir: folder,
    abort: signal,
    config: settings,
    maxConcurrentProcesses: 1,
    completion: { onClose: true, onExit: 50 },
    allowEnvironment: Object.keys(quiet),
    // All values are the constants above.
    unsafe: { allowUnsafeProtocolOverride: true, allowUnsafeHooksPath: true, allowUnsafeFsMonitor: true, allowUnsafeSshCommand: true, allowUnsafeAskPass: true },
  }).env({ ...inherited([...credentials, ...network]), ...quiet });
}

/** Where a remote's HEAD stands: the branch it names, and its commit. Undefined: the repository is empty. */
export async function readRemoteHead(git: SimpleGit, url: string): Promise<{ branch: string | undefined; commit: string } | undefined> {
  const output = await git.raw(['ls-remote', '--symref', '--', url, 'HEAD']);
  const commit = /^([0-9a-f]{40}|[0-9a-f]{64})\tHEAD$/m.exec(output)?.[1];
  const branch = /^ref: (refs\/heads\/\S+)\tHEAD$/m.exec(output)?.[1];
  return commit === undefined ? undefined : { branch, commit };
}

/** Makes branches and tags here what they are there: forced ones too, and none that was deleted. */
export async function fetchAll(git: SimpleGit, url: string): Promise<void> {
  await git.raw(['fetch', '--quiet', '--prune', '--force', '--no-tags', '--no-write-fetch-head', '--', url, '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*']);
}
