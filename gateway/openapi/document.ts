import type { ServiceRoute } from '../method.ts';
import type { OpenAiRoute } from '../openai/routes.ts';
import { compileRules } from '../rest/rules.ts';
import { errorComponents, errorSchemas } from './answers.ts';
import { MessageSchemas } from './message-schema.ts';
import { openAiOperation, openApiPath } from './openai-operations.ts';
import { openAiSchemas } from './openai-schemas/endpoints.ts';
import { ownOperations } from './own-operations.ts';
import { restOperation } from './rest-operations.ts';
import type { Operation } from './schema.ts';

/**
 * The OpenAPI 3.1 document of all HTTP routes: those of the services by their descriptors, those of the OpenAI lane by
 * its table and openai-schemas, and the gateway's own.
 * @returns its JSON text
 * @throws Error where two schemas or two routes would have one name
 */
export function createOpenApiDocument(deps: { routes: readonly ServiceRoute[]; openAi: readonly Pick<OpenAiRoute, 'verb' | 'path'>[]; version: string }): string {
  const messages = new MessageSchemas();
  const paths: Record<string, Record<string, Operation>> = {};
  const put = (path: string, verb: string, operation: Operation): void => {
    const byVerb = (paths[path] ??= {});
    if (byVerb[verb] !== undefined) throw new Error(`Two operations at ${verb} ${path}`);
    byVerb[verb] = operation;
  };
  for (const route of compileRules(deps.routes)) put(route.path, route.verb.toLowerCase(), restOperation(route, messages));
  for (const route of deps.openAi) put(openApiPath(route.path), route.verb.toLowerCase(), openAiOperation(route));
  for (const own of ownOperations) put(...own);

  return JSON.stringify({
    openapi: '3.1.1',
    info: {
      title: 'AI Forge',
      version: deps.version,
      description: 'Fine-tunes a model on a code repository and serves it over an OpenAI-compatible API. The same methods are served by gRPC, gRPC-Web and Connect, and job feeds over WebSocket at `/ws/training/{job_id}`.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    // A key is asked for where keys are on, which they need not be on loopback.
    security: [{ bearer: [] }, {}],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'An API key.' } },
      responses: errorComponents(),
      schemas: { ...errorSchemas, ...openAiSchemas, ...messages.components },
    },
  });
}
