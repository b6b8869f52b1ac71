import { getOption, hasOption, ScalarType, type DescField, type DescMethod, type DescMethodUnary, type Message } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { http } from '../../core/gen/google/api/annotations_pb.ts';
import type { Method, ServiceRoute } from '../method.ts';
import { decodeSegment } from './path-segment.ts';
import { decodeText } from './query.ts';

/** One REST route: a unary method with its google.api.http annotation, compiled. */
export interface RestRoute {
  verb: string;
  /** `/status/{job_id}`: literal segments, and fields of the request in braces. */
  path: string;
  segments: readonly Segment[];
  /** The fields of the path, in its order. */
  pathFields: readonly PathField[];
  /** Whether the JSON body holds the fields that the path does not; without it they come from the query. */
  body: boolean;
  method: DescMethod & DescMethodUnary;
  implementation: Method<DescMethodUnary>;
}
export interface PathField {
  name: string;
  /** @throws ForgeError invalid_argument */
  set(message: Message, encoded: string): void;
}
export type Segment = { literal: string } | { field: DescField & { fieldKind: 'scalar' } };

/**
 * Compiles the annotations of all methods that have one.
 * @throws Error where an annotation uses what this router does not serve, so that it is noticed at the start
 */
export function compileRules(routes: readonly ServiceRoute[]): RestRoute[] {
  return routes.flatMap(({ service, implementation }) =>
    service.methods.flatMap((any): RestRoute[] => {
      if (!hasOption(any, http)) return [];
      const method = any as DescMethod & DescMethodUnary;
      const rule = getOption(method, http);
      const where = `google.api.http of ${method.parent.typeName}.${method.name}`;
      const { case: verb, value: path } = rule.pattern;
      if (any.methodKind !== 'unary') throw new Error(`${where}: only unary methods are served over REST`);
      if (verb === undefined || verb === 'custom' || rule.additionalBindings.length > 0 || rule.responseBody !== '') throw new Error(`${where}: exactly one path with a standard verb is served`);
      if (rule.body !== '' && rule.body !== '*') throw new Error(`${where}: body must be "*" or absent`);
      const call = (implementation as Record<string, unknown>)[method.localName];
      if (typeof call !== 'function') throw new Error(`${method.parent.typeName}.${method.name} is not implemented`);
      const segments = compilePath(path, method, where);
      return [{
        verb: verb.toUpperCase(),
        path,
        segments,
        pathFields: segments.flatMap((segment) => ('field' in segment ? [pathField(segment.field)] : [])),
        body: rule.body === '*',
        method,
        implementation: call.bind(implementation) as Method<DescMethodUnary>,
      }];
    }),
  );
}

function compilePath(path: string, method: DescMethodUnary, where: string): Segment[] {
  if (!path.startsWith('/')) throw new Error(`${where}: the path must begin with a slash`);
  return path.slice(1).split('/').map((text): Segment => {
    const name = /^\{([a-z0-9_]+)\}$/.exec(text)?.[1];
    if (name === undefined) {
      if (!/^[A-Za-z0-9._~-]+$/.test(text)) throw new Error(`${where}: the segment "${text}" is not served`);
      return { literal: text };
    }
    const field = method.input.fields.find((f) => f.name === name);
    if (field?.fieldKind !== 'scalar') throw new Error(`${where}: the request has no plain field ${name}`);
    return { field };
  });
}

function pathField(field: DescField & { fieldKind: 'scalar' }): PathField {
  const { name, localName } = field;
  // Most are text without presence, which needs no reflection.
  if (field.scalar === ScalarType.STRING && field.oneof === undefined) {
    return { name, set: (message, encoded) => void ((message as unknown as Record<string, string>)[localName] = decodeSegment(encoded, name)) };
  }
  return { name, set: (message, encoded) => reflect(field.parent, message).set(field, decodeText(field, decodeSegment(encoded, name), name)) };
}
