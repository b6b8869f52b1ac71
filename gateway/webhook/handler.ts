import type { IncomingMessage, ServerResponse } from 'node:http';
import { ForgeError } from '../../core/errors.ts';
import { NoticePushRequestSchema, NoticePushResponseSchema } from '../../core/gen/aiforge/v1/guardian_pb.ts';
import type { Logger } from '../../core/logger.ts';
import type { GuardianClient } from '../guardian-client.ts';
import { markRoute } from '../metrics/route-mark.ts';
import { readBody } from '../openai/request-body.ts';
import type { RawHandler } from '../port/dispatch.ts';
import { shown } from '../port/error-status.ts';
import { sendError, sendJson } from '../rest/answer.ts';
import { decodeSegment } from '../rest/path-segment.ts';
import { announcesPush, isGenuine } from './verify.ts';

const start = '/v1/webhooks/';
const path = /^\/v1\/webhooks\/([^/]+)$/;

/** It is read before anybody has proven anything; GitHub's own limit is 25 MB, and what is needed of a push stands in its header. */
const bodyLimitBytes = 1024 * 1024;

/**
 * `POST /v1/webhooks/{project}`: GitHub or GitLab announces a push, and the project is looked at now. What was pushed is
 * read from the repository itself, never from the message.
 */
export function createWebhook(deps: { guardian: GuardianClient; secret: string; logger: Logger }): RawHandler {
  async function answer(request: IncomingMessage, response: ServerResponse, segment: string): Promise<void> {
    const requestId = String(response.getHeader('x-request-id') ?? '');
    try {
      if (request.method !== 'POST') {
        response.setHeader('allow', 'POST');
        return sendJson(request, response, 405, JSON.stringify({ detail: `${request.method} is not served here; allowed: POST` }));
      }
      if (deps.secret === '') throw new ForgeError('permission_denied', 'webhooks are off: set FORGE_WEBHOOK_SECRET here and the same secret in the webhook’s settings');
      const project = decodeSegment(segment, 'project');
      const body = await readBody(request, bodyLimitBytes);
      if (!isGenuine(request.headers, body, deps.secret, Date.now())) throw new ForgeError('unauthenticated', 'the webhook’s signature is missing or wrong: its secret must be FORGE_WEBHOOK_SECRET');
      if (!announcesPush(request.headers)) return sendJson(request, response, 200, JSON.stringify({ detail: 'This event announces no push: nothing to do' }));
      await deps.guardian.call({ name: 'NoticePush', input: NoticePushRequestSchema, output: NoticePushResponseSchema }, { projectName: project }, {});
      sendJson(request, response, 202, JSON.stringify({ detail: `Project ${project} is being looked at` }));
    } catch (thrown) {
      const { error, log } = shown(thrown, requestId);
      if (log) deps.logger.error('a webhook failed', { requestId, error: thrown });
      sendError(request, response, error);
    }
  }
  return (request, response, url) => {
    if (!url.pathname.startsWith(start)) return false;
    const segment = path.exec(url.pathname)?.[1];
    if (segment === undefined) return false;
    markRoute(response, 'own', '/v1/webhooks/{project}');
    void answer(request, response, segment);
    return true;
  };
}
