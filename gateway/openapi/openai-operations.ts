import type { OpenAiRoute } from '../openai/routes.ts';
import { errorAnswers, requestIdHeader } from './answers.ts';
import { bodyExamples } from './examples.ts';
import { openAiEndpoints } from './openai-schemas/endpoints.ts';
import { json, type Content, type Operation, type Parameter, type Schema } from './schema.ts';

/** What is written of one route of the OpenAI lane; the rest follows from its path. */
export interface OpenAiEndpoint {
  operationId: string;
  summary: string;
  description?: string;
  tag: string;
  query?: Record<string, Schema>;
  /** Schema of a JSON body, or the body by media types. */
  body?: Schema | { content: Content };
  /** Schema of the JSON answer, or the answer by media types. */
  answer: Schema | { content: Content };
  /** Whether a backend's own statuses pass through. */
  passesThrough?: boolean;
}

/**
 * The operation of a route of the OpenAI lane.
 * @returns one that promises nothing, with `x-undescribed`, where openai-schemas has none; a test looks for these
 */
export function openAiOperation(route: Pick<OpenAiRoute, 'verb' | 'path'>): Operation & { 'x-undescribed'?: true } {
  const key = `${route.verb} ${route.path.replaceAll(/\{[^}]*\}/g, '{}')}`;
  const endpoint = openAiEndpoints[key];
  const parameters: Parameter[] = pathFields(route.path).map((name) => ({ name, in: 'path', required: true, schema: { type: 'string', minLength: 1 } }));
  for (const [name, schema] of Object.entries(endpoint?.query ?? {})) parameters.push({ name, in: 'query', schema });
  const common = { ...(parameters.length === 0 ? {} : { parameters }) };
  if (endpoint === undefined) {
    return { operationId: key.replaceAll(/[^A-Za-z0-9]+/g, '_'), tags: ['OpenAI'], ...common, responses: { 200: { description: 'Done.', headers: requestIdHeader }, ...errorAnswers('openai') }, 'x-undescribed': true };
  }
  return {
    operationId: endpoint.operationId,
    summary: endpoint.summary,
    ...(endpoint.description === undefined ? {} : { description: endpoint.description }),
    tags: [endpoint.tag],
    ...common,
    ...(endpoint.body === undefined ? {} : { requestBody: { required: true, content: contentOf(endpoint.body, bodyExamples[endpoint.operationId]) } }),
    responses: {
      200: { description: 'Done.', headers: requestIdHeader, content: contentOf(endpoint.answer) },
      ...errorAnswers('openai'),
      ...(endpoint.passesThrough === true ? { '4XX': passed } : {}),
    },
  };
}

/** What a backend says about a request is passed on with its own status, in OpenAI's shape. */
const passed = { description: 'What the inference backend says about the request.', headers: requestIdHeader, content: json({ $ref: '#/components/schemas/OpenAiError' }) };

/** OpenAPI's form of a path: `{model...}`, which takes slashes too, is `{model}` there. */
export function openApiPath(path: string): string {
  return path.replaceAll('...}', '}');
}

function pathFields(path: string): string[] {
  return [...path.matchAll(/\{([a-z_]+)(?:\.\.\.)?\}/g)].map((match) => match[1]!);
}

function contentOf(what: Schema | { content: Content }, example?: unknown): Content {
  return typeof what['content'] === 'object' ? (what as { content: Content }).content : json(what as Schema, example);
}
