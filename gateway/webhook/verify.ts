import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** How far a signed time may lie from now: older deliveries may be replays. */
const toleranceMs = 5 * 60_000;
/** Whoever can guess the key can sign: a `whsec_` secret that is cut short, or no base64, stands for none. */
const minKeyBytes = 16;

/**
 * Whether a webhook's sender knows the secret, over the very bytes of the body, compared in constant time.
 * GitHub: `X-Hub-Signature-256: sha256=<hex of HMAC-SHA256(secret, body)>`.
 * GitLab with a signing token: Standard Webhooks, `webhook-signature: v1,<base64 of HMAC-SHA256(key, id.timestamp.body)>`,
 * where a secret `whsec_<base64>` stands for its bytes. GitLab's older secret token, `X-Gitlab-Token`, is the secret itself.
 * @param now Unix milliseconds
 */
export function isGenuine(headers: IncomingHttpHeaders, body: Uint8Array, secret: string, now: number): boolean {
  const github = single(headers['x-hub-signature-256']);
  if (github !== undefined) return same(github, `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
  const signatures = single(headers['webhook-signature']);
  if (signatures !== undefined) {
    const id = single(headers['webhook-id']) ?? '';
    const time = single(headers['webhook-timestamp']) ?? '';
    if (id === '' || !/^\d{1,12}$/.test(time) || Math.abs(now - Number(time) * 1_000) > toleranceMs) return false;
    const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
    if (key.length < minKeyBytes) return false;
    const wanted = `v1,${createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest('base64')}`;
    // Several may stand there while a secret is being changed.
    return signatures.split(' ').slice(0, 10).map((signature) => same(signature, wanted)).includes(true);
  }
  const token = single(headers['x-gitlab-token']);
  return token !== undefined && same(token, secret);
}

/** Whether the delivery announces a push; GitHub also sends a ping, and either whatever else was ticked. */
export function announcesPush(headers: IncomingHttpHeaders): boolean {
  const event = single(headers['x-github-event']) ?? single(headers['x-gitlab-event']) ?? '';
  return ['push', 'Push Hook', 'Tag Push Hook', 'create'].includes(event);
}

/** Hashes first: lengths that differ must not tell anything either. */
function same(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? undefined : value;
}
