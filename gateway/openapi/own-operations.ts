import { errorAnswers, requestIdHeader } from './answers.ts';
import { json, ref, type Content, type Operation } from './schema.ts';

const text = (type: string): Content => ({ [type]: { schema: { type: 'string' } } });

const get = (operationId: string, summary: string, content: Content): Operation => ({
  operationId,
  summary,
  tags: ['Service'],
  responses: { 200: { description: 'Done.', headers: requestIdHeader, content }, ...errorAnswers('forge') },
});

const notModified = { 304: { description: 'It is what `If-None-Match` names.', headers: requestIdHeader } };

/** The routes that have neither a descriptor nor a place in the OpenAI lane's table: path, verb, operation. */
export const ownOperations: readonly (readonly [path: string, verb: string, operation: Operation])[] = [
  ['/openapi.json', 'get', withAnswers(get('GetOpenApi', 'This document', json({ type: 'object', required: ['openapi', 'info', 'paths'] })), notModified)],
  ['/docs', 'get', withAnswers(get('GetDocs', 'A page to try requests in', text('text/html')), notModified)],
  ['/metrics', 'get', get('GetMetrics', 'Metrics in Prometheus’ text format', text('text/plain'))],
  ['/v1/webhooks/{project}', 'post', {
    operationId: 'AnnouncePush',
    summary: 'GitHub or GitLab announces a push',
    description: 'Signed with `FORGE_WEBHOOK_SECRET`, as those services do. What was pushed is read from the repository itself.',
    tags: ['Service'],
    parameters: [{ name: 'project', in: 'path', required: true, schema: { type: 'string', minLength: 1 } }],
    requestBody: { required: true, content: json({ type: 'object' }) },
    responses: {
      200: { description: 'The event announces no push.', headers: requestIdHeader, content: json(ref('Error')) },
      202: { description: 'The project is being looked at.', headers: requestIdHeader, content: json(ref('Error')) },
      ...errorAnswers('forge'),
    },
  }],
];

function withAnswers(operation: Operation, answers: Operation['responses']): Operation {
  return { ...operation, responses: { ...operation.responses, ...answers } };
}
