import type { DescField } from '@bufbuild/protobuf';
import { comments } from '../../core/gen/aiforge/v1/comments.ts';
import { isPlain } from '../rest/query.ts';
import type { RestRoute } from '../rest/rules.ts';
import { errorAnswers, requestIdHeader, stillRunningAnswer } from './answers.ts';
import { bodyExamples } from './examples.ts';
import type { MessageSchemas } from './message-schema.ts';
import { json, type Operation, type Parameter } from './schema.ts';

/** Methods whose request may be empty: to leave its body out is the same as `{}`. */
const bodyOptional = new Set(['CreateTicket', 'DrainAgent']);

/** Methods that wait for a task and may answer that it goes on. */
const waiting = new Set(['Deploy', 'Validate']);

const idempotencyKey: Parameter = {
  name: 'Idempotency-Key',
  in: 'header',
  description: 'The same key with the same body does a thing once.',
  schema: { type: 'string', pattern: '^[!-~]([ -~]{0,253}[!-~])?$' },
};

/** The operation of a REST route, from its method's descriptor. */
export function restOperation(route: RestRoute, schemas: MessageSchemas): Operation {
  const { method } = route;
  const taken = new Set(route.segments.flatMap((segment) => ('field' in segment ? [segment.field.name] : [])));
  const left = method.input.fields.filter((field) => !taken.has(field.name));
  const parameter = (field: DescField, where: 'path' | 'query'): Parameter => ({
    name: field.name,
    in: where,
    ...(where === 'path' ? { required: true } : {}),
    ...(comments[`${method.input.typeName}.${field.name}`] === undefined ? {} : { description: comments[`${method.input.typeName}.${field.name}`]! }),
    schema: { ...schemas.field(field, 'input'), ...(where === 'path' ? { minLength: 1 } : {}) },
  });
  const parameters = [
    ...method.input.fields.filter((field) => taken.has(field.name)).map((field) => parameter(field, 'path')),
    ...(route.body ? [] : left.filter(isPlain).map((field) => parameter(field, 'query'))),
    ...(route.verb === 'POST' ? [idempotencyKey] : []),
  ];
  const description = comments[`${method.parent.typeName}.${method.name}`];
  const body = taken.size === 0 ? schemas.of(method.input, 'input') : schemas.object(left, 'input', undefined, method.input);
  return {
    operationId: method.name,
    summary: method.name.replace(/(?<=[a-z])(?=[A-Z])/g, ' '),
    ...(description === undefined ? {} : { description }),
    tags: [method.parent.name],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body ? { requestBody: { required: !bodyOptional.has(method.name), content: json(body, bodyExamples[method.name]) } } : {}),
    responses: {
      200: { description: 'Done.', headers: requestIdHeader, content: json(schemas.of(method.output, 'output')) },
      ...(waiting.has(method.name) ? { 202: stillRunningAnswer } : {}),
      ...errorAnswers('forge'),
    },
  };
}
