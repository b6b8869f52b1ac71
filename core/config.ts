import { cpus } from 'node:os';
import { delimiter, isAbsolute, join, resolve } from 'node:path';
import { ForgeError } from './errors.ts';
import { labelPattern, labelRule, maxLabels } from './labels.ts';
import { isCertificateFile, readNatsCredentials, workerIdPattern } from './nats-credentials.ts';

/** All settings, read once from the environment and frozen. Durations end in `Ms`. */
export interface Config {
  host: string;
  port: number;
  /** Whether every request has to bring an API key. */
  apiKeys: boolean;
  /** Origins of pages that may call, beside the service's own: `scheme://host[:port]`. */
  allowedOrigins: readonly string[];
  /** Names that the service is reached by, beside loopback ones and `host`. */
  allowedHosts: readonly string[];
  /** How many requests may be open at once; of those, how many that ask a model, and the same for one key. */
  maxRequests: number;
  maxInference: number;
  maxInferencePerKey: number;
  maxRequestsPerKey: number;
  /** The largest body of a request to a model; others may have 1 MiB of it. */
  maxBodyBytes: number;
  /** How long a backend may take to begin its answer. */
  firstByteMs: number;
  dataDir: string;
  /** `auto`, `ollama`, `embedded` or the base URL of an OpenAI-compatible server. */
  inference: string;
  /** Of the server that `inference` names; empty for none. */
  inferenceKey: string;
  ollamaUrl: string;
  projectRoots: readonly string[];
  /** One, or those of all nodes of a cluster separated by commas. */
  natsUrl: string;
  /** File of this process's credentials at nats-server; empty where that asks nobody. */
  natsCredentials: string;
  /** File of certificates (PEM) that must have signed nats-server's; empty: what the credentials say. */
  natsCa: string;
  /** On how many nodes of a cluster the streams are kept, which the first gateway makes. */
  natsReplicas: number;
  /** Python of the trainer's environment. */
  python: string;
  workerId: string;
  /** Of this host's agent; `pool` names its pool. */
  labels: Readonly<Record<string, string>>;
  beatMs: number;
  /** Silence after which a gateway declares an attempt lost. */
  lossMs: number;
  /** Silence after which a worker stops its trainer. */
  fenceMs: number;
  /** How long deploy and validate wait before they answer 202. */
  waitMs: number;
  threads: number;
  /** Seconds that `ai-forge/starter` is pre-trained, once for a fleet. */
  starterSeconds: number;
  /** How often watched projects are looked at. */
  watchMs: number;
  /** How long a repository must have stood still before it is decided on. */
  debounceMs: number;
  /** Of webhooks that announce pushes; empty: they are refused. Never logged. */
  webhookSecret: string;
  /** A mirror of a remote repository may be so large, and take so long to fetch. */
  mirrorMaxBytes: number;
  mirrorTimeoutMs: number;
  /** Of the gateway that has the blobs, for a host that shares no disk with it; empty: they lie in the data directory. */
  blobsUrl: string;
  /** API key of scope admin by which the guardian reaches them; empty: none. Never logged. */
  blobsKey: string;
  /** What an agent or a guardian may keep of them on its own disk. */
  blobsCacheBytes: number;
  /** The largest blob that a gateway takes. */
  maxBlobBytes: number;
  /** A fault hook for tests: `<point>:<nth time>`, at which the process kills itself. */
  fault: string;
}

interface Setting {
  key: string;
  default: string;
  help: string;
}

/** Every key, its default and its meaning: README's table is checked against this. */
export const settings: readonly Setting[] = [
  { key: 'FORGE_HOST', default: '127.0.0.1', help: 'address to listen on; others than loopback only with API keys' },
  { key: 'FORGE_PORT', default: '8000', help: 'the one port, 0 to 65535 (0: any free one)' },
  { key: 'FORGE_API_KEYS', default: 'auto', help: 'whether requests need an API key: `on`, `off`, or `auto`: unless the service is reached by loopback alone' },
  { key: 'FORGE_ALLOWED_ORIGINS', default: '', help: 'origins of web pages that may call, separated by commas, such as `https://chat.example.org`' },
  { key: 'FORGE_ALLOWED_HOSTS', default: '', help: 'names by which the service is reached, separated by commas, such as `forge.example.org`' },
  { key: 'FORGE_MAX_REQUESTS', default: '1024', help: 'requests that may be open at once; more are a 429' },
  { key: 'FORGE_MAX_REQUESTS_PER_KEY', default: '512', help: 'the same for one API key' },
  { key: 'FORGE_MAX_INFERENCE', default: '256', help: 'of the open requests, those to models' },
  { key: 'FORGE_MAX_INFERENCE_PER_KEY', default: '64', help: 'the same for one API key' },
  { key: 'FORGE_MAX_BODY_BYTES', default: '16777216', help: 'largest body on OpenAI’s routes (elsewhere, gRPC among it: 1 MiB at most); larger is a 413' },
  { key: 'FORGE_FIRST_BYTE_MS', default: '300000', help: 'how long a backend may take to begin its answer; longer is a 504' },
  { key: 'FORGE_DATA_DIR', default: '.forge', help: 'events, blobs, logs and models' },
  { key: 'FORGE_INFERENCE', default: 'auto', help: '`auto`, `ollama`, `embedded` or the base URL of an OpenAI-compatible server' },
  { key: 'FORGE_INFERENCE_KEY', default: '', help: 'API key of that server, if it wants one' },
  { key: 'OLLAMA_HOST', default: 'http://127.0.0.1:11434', help: 'where Ollama listens' },
  { key: 'FORGE_PROJECT_ROOTS', default: '.', help: 'folders that repositories may lie in, separated like PATH' },
  { key: 'FORGE_NATS_URL', default: 'nats://127.0.0.1:4222', help: 'nats-server, or all nodes of a cluster separated by commas; `npm start` runs its own and sets this' },
  { key: 'FORGE_NATS_CREDENTIALS', default: '', help: 'this process’s credentials file at nats-server, which `npm run fleet -- add` makes' },
  { key: 'FORGE_NATS_CA', default: '', help: 'certificates (PEM) that nats-server’s must be signed by, instead of those in the credentials' },
  { key: 'FORGE_NATS_REPLICAS', default: '1', help: 'on how many nodes of a NATS cluster the streams are kept: `1`, `3` or `5`' },
  { key: 'FORGE_PYTHON', default: '.venv/bin/python', help: 'Python of the trainer' },
  { key: 'FORGE_WORKER_ID', default: 'local', help: 'name of this host’s agent: letters, digits, `_`, `-`; with credentials, theirs' },
  { key: 'FORGE_LABELS', default: '', help: 'labels of this host’s agent that jobs may ask for, `pool` among them: `pool=night,zone=b`' },
  { key: 'FORGE_BEAT_MS', default: '5000', help: 'time between two beats of a worker' },
  { key: 'FORGE_LOSS_MS', default: '30000', help: 'silence after which a worker’s attempt is lost' },
  { key: 'FORGE_FENCE_MS', default: '20000', help: 'silence after which a worker stops its trainer' },
  { key: 'FORGE_WAIT_MS', default: '600000', help: 'how long deploy and validate wait before they answer 202' },
  { key: 'FORGE_THREADS', default: '0', help: 'threads of the trainer on CPU (0: all cores)' },
  { key: 'FORGE_STARTER_SECONDS', default: '60', help: 'seconds that `ai-forge/starter` is pre-trained, once for a data directory' },
  { key: 'FORGE_WATCH_MS', default: '60000', help: 'time between two looks at a watched project' },
  { key: 'FORGE_DEBOUNCE_MS', default: '10000', help: 'how long a repository must stand still before it is decided on' },
  { key: 'FORGE_WEBHOOK_SECRET', default: '', help: 'secret of the webhooks that announce pushes; without one they are refused' },
  { key: 'FORGE_MIRROR_MAX_BYTES', default: '2147483648', help: 'largest remote repository that is mirrored' },
  { key: 'FORGE_MIRROR_TIMEOUT_MS', default: '600000', help: 'how long fetching a remote repository may take' },
  { key: 'FORGE_BLOBS_URL', default: '', help: 'URL of the gateway that has the blobs, for an agent or guardian that shares no disk with it' },
  { key: 'FORGE_BLOBS_KEY', default: '', help: 'API key of scope `admin` with which such a guardian reaches them; agents need none' },
  { key: 'FORGE_BLOBS_CACHE_BYTES', default: '53687091200', help: 'how much of them such a host keeps on its own disk' },
  { key: 'FORGE_MAX_BLOB_BYTES', default: '68719476736', help: 'largest blob that a gateway takes from another host' },
];

/** Keys that belong to the tests and to processes inside; accepted, and not settings of users. */
const internalKeys = ['FORGE_FAULT', 'FORGE_REQUIRE_OLLAMA', 'FORGE_TRAINER_EVENTS_FD', 'FORGE_TEST_LONG'];

/**
 * Reads the settings. Unknown `FORGE_*` keys and bad values are refused, all in one message.
 * @throws ForgeError invalid_argument
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>, cwd = process.cwd()): Readonly<Config> {
  const problems: string[] = [];
  const known = new Set([...settings.map((s) => s.key), ...internalKeys]);
  for (const key of Object.keys(env)) {
    if (key.startsWith('FORGE_') && !known.has(key)) problems.push(`${key}: no such setting (known: ${[...settings.map((s) => s.key)].join(', ')})`);
  }
  const text = (key: string): string => {
    const value = env[key];
    return value === undefined || value === '' ? settings.find((s) => s.key === key)!.default : value;
  };
  const integer = (key: string, min: number, max: number): number => {
    const raw = text(key);
    const value = /^\d+$/.test(raw) ? Number(raw) : NaN;
    if (!(value >= min && value <= max)) problems.push(`${key}: must be a whole number from ${min} to ${max}, not "${raw}"`);
    return value;
  };
  const secret = (key: string): string => {
    const value = text(key);
    if (value !== '' && value.length < 16) problems.push(`${key}: must have at least 16 characters`);
    return value;
  };
  const labels = (key: string): Record<string, string> => {
    const pairs = text(key).split(',').filter(Boolean).map((pair) => pair.split('='));
    if (pairs.length > maxLabels || pairs.some((pair) => pair.length !== 2 || !pair.every((part) => labelPattern.test(part)))) problems.push(`${key}: must be at most ${maxLabels} pairs such as pool=night,zone=b; keys and values: ${labelRule}`);
    return Object.fromEntries(pairs) as Record<string, string>;
  };
  const path = (raw: string): string => (isAbsolute(raw) ? raw : resolve(cwd, raw));

  const host = text('FORGE_HOST');
  const list = (key: string): string[] => text(key).split(',').map((item) => item.trim()).filter(Boolean);
  const allowedOrigins = list('FORGE_ALLOWED_ORIGINS');
  for (const origin of allowedOrigins) {
    if (origin.includes('*') || !isHttpUrl(origin) || URL.parse(origin)!.origin !== origin) problems.push(`FORGE_ALLOWED_ORIGINS: must be origins such as https://chat.example.org, in lower case, without a path and without *, not "${origin}"`);
  }
  const allowedHosts = list('FORGE_ALLOWED_HOSTS');
  for (const name of allowedHosts) {
    if (name.includes('*') || hostName(name) !== name) problems.push(`FORGE_ALLOWED_HOSTS: must be names such as forge.example.org, in lower case, without a port and without *, not "${name}"`);
  }
  const keys = text('FORGE_API_KEYS');
  if (!['auto', 'on', 'off'].includes(keys)) problems.push(`FORGE_API_KEYS: must be auto, on or off, not "${keys}"`);
  // A name that is no loopback one means a proxy in front, and others behind it.
  const reached = [host, ...allowedHosts].find((name) => !isLoopback(name));
  if (keys === 'off' && reached !== undefined) problems.push(`FORGE_API_KEYS: must not be off where the service is reached as "${reached}", which is not a loopback address: set it to on or auto, or FORGE_HOST to 127.0.0.1 and FORGE_ALLOWED_HOSTS to nothing`);
  const inference = text('FORGE_INFERENCE');
  if (!['auto', 'ollama', 'embedded'].includes(inference) && !isHttpUrl(inference)) {
    problems.push(`FORGE_INFERENCE: must be auto, ollama, embedded or an http(s) URL, not "${inference}"`);
  }
  const inferenceKey = text('FORGE_INFERENCE_KEY');
  if (inferenceKey !== '' && !isHttpUrl(inference)) problems.push('FORGE_INFERENCE_KEY: is for FORGE_INFERENCE that is a URL; leave one of them out');
  if (!/^[\x21-\x7e]*$/.test(inferenceKey)) problems.push('FORGE_INFERENCE_KEY: must be visible ASCII without spaces');
  const ollamaUrl = withScheme(text('OLLAMA_HOST'));
  if (!isHttpUrl(ollamaUrl)) problems.push(`OLLAMA_HOST: must be host:port or an http(s) URL, not "${text('OLLAMA_HOST')}"`);
  const natsUrl = text('FORGE_NATS_URL');
  if (!natsUrl.split(',').every((one) => /^((nats|tls):\/\/)?[^/?#\s]+\/?$/.test(one.trim()))) problems.push('FORGE_NATS_URL: must be URLs such as nats://127.0.0.1:4222 or tls://n1.example.org:4222, separated by commas');
  const natsReplicas = integer('FORGE_NATS_REPLICAS', 1, 5);
  if (natsReplicas % 2 === 0) problems.push(`FORGE_NATS_REPLICAS: must be 1, 3 or 5: an even number outlives no more failures than the one below it, not "${natsReplicas}"`);
  const natsCa = text('FORGE_NATS_CA') === '' ? '' : path(text('FORGE_NATS_CA'));
  if (natsCa !== '' && !isCertificateFile(natsCa)) problems.push(`FORGE_NATS_CA: ${natsCa} can’t be read, or holds no certificate in PEM`);
  const natsCredentials = text('FORGE_NATS_CREDENTIALS') === '' ? '' : path(text('FORGE_NATS_CREDENTIALS'));
  const own = credentialId(natsCredentials, problems);
  const workerId = env['FORGE_WORKER_ID'] || (own ?? text('FORGE_WORKER_ID'));
  if (own !== undefined && workerId !== own) problems.push(`FORGE_WORKER_ID: is "${workerId}", and FORGE_NATS_CREDENTIALS is of "${own}": leave FORGE_WORKER_ID empty`);
  if (!workerIdPattern.test(workerId)) problems.push('FORGE_WORKER_ID: letters, digits, _ and -, at most 63');
  const beatMs = integer('FORGE_BEAT_MS', 20, 600_000);
  const lossMs = integer('FORGE_LOSS_MS', 100, 3_600_000);
  const fenceMs = integer('FORGE_FENCE_MS', 50, 3_600_000);
  if (fenceMs >= lossMs) problems.push('FORGE_FENCE_MS: must be shorter than FORGE_LOSS_MS, so that a lost worker has stopped before its task runs elsewhere');
  if (beatMs * 2 > fenceMs) problems.push('FORGE_BEAT_MS: at most half of FORGE_FENCE_MS');
  const blobsUrl = text('FORGE_BLOBS_URL');
  if (blobsUrl !== '' && !isPlainHttpUrl(blobsUrl)) problems.push(`FORGE_BLOBS_URL: must be the http(s) URL of a gateway such as https://forge.example.org, without a user, a query or a fragment; not "${URL.parse(blobsUrl)?.password ? '(a URL with a password)' : blobsUrl}"`);
  const config: Config = {
    host,
    port: integer('FORGE_PORT', 0, 65_535),
    apiKeys: keys === 'on' || (keys === 'auto' && reached !== undefined),
    allowedOrigins: Object.freeze(allowedOrigins),
    allowedHosts: Object.freeze(allowedHosts),
    maxRequests: integer('FORGE_MAX_REQUESTS', 1, 65_536),
    maxRequestsPerKey: integer('FORGE_MAX_REQUESTS_PER_KEY', 1, 65_536),
    maxInference: integer('FORGE_MAX_INFERENCE', 1, 65_536),
    maxInferencePerKey: integer('FORGE_MAX_INFERENCE_PER_KEY', 1, 65_536),
    maxBodyBytes: integer('FORGE_MAX_BODY_BYTES', 1024, 256 * 1024 * 1024),
    firstByteMs: integer('FORGE_FIRST_BYTE_MS', 10, 600_000),
    dataDir: path(text('FORGE_DATA_DIR')),
    inference,
    inferenceKey,
    ollamaUrl,
    projectRoots: Object.freeze(text('FORGE_PROJECT_ROOTS').split(delimiter).filter(Boolean).map(path)),
    natsUrl,
    natsCredentials,
    natsCa,
    natsReplicas,
    python: text('FORGE_PYTHON').includes('/') ? path(text('FORGE_PYTHON')) : text('FORGE_PYTHON'),
    workerId,
    labels: Object.freeze(labels('FORGE_LABELS')),
    beatMs,
    lossMs,
    fenceMs,
    waitMs: integer('FORGE_WAIT_MS', 10, 3_600_000),
    threads: integer('FORGE_THREADS', 0, 1024) || cpus().length,
    starterSeconds: integer('FORGE_STARTER_SECONDS', 1, 86_400),
    watchMs: integer('FORGE_WATCH_MS', 50, 86_400_000),
    debounceMs: integer('FORGE_DEBOUNCE_MS', 0, 3_600_000),
    webhookSecret: secret('FORGE_WEBHOOK_SECRET'),
    mirrorMaxBytes: integer('FORGE_MIRROR_MAX_BYTES', 1 << 20, 2 ** 50),
    mirrorTimeoutMs: integer('FORGE_MIRROR_TIMEOUT_MS', 1_000, 86_400_000),
    blobsUrl,
    blobsKey: secret('FORGE_BLOBS_KEY'),
    blobsCacheBytes: integer('FORGE_BLOBS_CACHE_BYTES', 0, 2 ** 50),
    maxBlobBytes: integer('FORGE_MAX_BLOB_BYTES', 1 << 20, 2 ** 50),
    fault: env['FORGE_FAULT'] ?? '',
  };
  if (problems.length > 0) throw new ForgeError('invalid_argument', `Settings are wrong:\n  ${problems.join('\n  ')}`);
  return Object.freeze(config);
}

/** Where things lie in the data directory. */
export function dataPaths(dataDir: string) {
  return {
    nats: join(dataDir, 'nats'),
    blobs: join(dataDir, 'blobs'),
    blobCache: join(dataDir, 'blob-cache'),
    logs: join(dataDir, 'logs'),
    jobs: join(dataDir, 'jobs'),
    spool: join(dataDir, 'spool'),
    work: join(dataDir, 'work'),
    mirrors: join(dataDir, 'mirrors'),
    mark: join(dataDir, 'events.mark'),
    heads: join(dataDir, 'events.heads'),
    snapshot: join(dataDir, 'events.snapshot'),
  } as const;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A host as it stands in a `Host` header, without its port, an IPv6 address without brackets; undefined for none. */
export function hostName(authority: string): string | undefined {
  const url = URL.parse(`http://${authority.includes(':') && !authority.includes('[') && authority.split(':').length > 2 ? `[${authority}]` : authority}`);
  return url?.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Worker id that a gateway's or agent's credentials are of; undefined for others', for none, and for bad ones, which are told. */
function credentialId(file: string, problems: string[]): string | undefined {
  if (file === '') return undefined;
  try {
    const { role, id } = readNatsCredentials(file);
    return role === 'agent' || role === 'gateway' ? id : undefined;
  } catch (error) {
    problems.push(`FORGE_NATS_CREDENTIALS: ${(error as Error).message}`);
    return undefined;
  }
}

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:');
}

function isPlainHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return isHttpUrl(text) && url!.username === '' && url!.password === '' && url!.search === '' && url!.hash === '';
}

function withScheme(host: string): string {
  const url = /^[a-z]+:\/\//.test(host) ? host : `http://${host}`;
  const parsed = URL.parse(url);
  if (parsed === null) return url;
  // Ollama's own default is its port; 0.0.0.0 is where it listens, not where it is reached.
  if (parsed.port === '' && !/^[a-z]+:\/\//.test(host)) parsed.port = '11434';
  if (parsed.hostname === '0.0.0.0') parsed.hostname = '127.0.0.1';
  return parsed.origin;
}
