import type { IncomingMessage, ServerResponse } from 'node:http';
import { ForgeError } from '../../core/errors.ts';

/** A request as a route of the OpenAI lane gets it. */
export interface OpenAiCall {
  request: IncomingMessage;
  response: ServerResponse;
  /** Decoded values of the path's fields, by name. */
  values: Readonly<Record<string, string>>;
  /** @returns the query's fields */
  query(): URLSearchParams;
}

/** What is thrown is answered as an OpenAI error, or ends the connection where the answer has begun. */
export interface OpenAiRoute {
  verb: 'GET' | 'POST' | 'DELETE';
  /** Literal segments and fields in braces; a last `{name...}` takes the rest of the path, slashes and all. */
  path: string;
  handle(call: OpenAiCall): Promise<void>;
}

export interface MatchedPath {
  byVerb: ReadonlyMap<string, OpenAiRoute>;
  values: Readonly<Record<string, string>>;
}

/**
 * Finds routes by path. A literal path is one look-up; of the others the first that fits is taken.
 * @throws Error where a verb and path stand twice
 */
export function createOpenAiRouter(routes: readonly OpenAiRoute[]): (path: string) => MatchedPath | undefined {
  const literal = new Map<string, { byVerb: Map<string, OpenAiRoute>; values: {} }>();
  const patterns = new Map<string, { regex: RegExp; byVerb: Map<string, OpenAiRoute> }>();
  for (const route of routes) {
    const fields = route.path.includes('{');
    const byVerb = fields
      ? (patterns.get(route.path) ?? put(patterns, route.path, { regex: compile(route.path), byVerb: new Map<string, OpenAiRoute>() })).byVerb
      : (literal.get(route.path) ?? put(literal, route.path, { byVerb: new Map<string, OpenAiRoute>(), values: {} })).byVerb;
    if (byVerb.has(route.verb)) throw new Error(`Two routes at ${route.verb} ${route.path}`);
    byVerb.set(route.verb, route);
  }
  return (path) => {
    const found = literal.get(path);
    if (found !== undefined) return found;
    for (const { regex, byVerb } of patterns.values()) {
      const groups = regex.exec(path)?.groups;
      if (groups !== undefined) return { byVerb, values: decodeAll(groups) };
    }
    return undefined;
  };
}

function put<V>(map: Map<string, V>, key: string, value: V): V {
  map.set(key, value);
  return value;
}

function compile(path: string): RegExp {
  const escaped = path.replace(/[.*+?^$()|[\]\\]/g, '\\$&');
  // `{name...}` has become `{name\.\.\.}`.
  const source = escaped.replace(/\{([a-z_]+)((?:\\\.){3})?\}/g, (_all, name: string, rest: string | undefined) => `(?<${name}>${rest === undefined ? '[^/]+' : '.+'})`);
  return new RegExp(`^${source}$`, 's');
}

function decodeAll(groups: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(groups).map(([name, value]) => [name, decode(name, value)]));
}

function decode(name: string, value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    throw new ForgeError('not_found', `${name}: "${value.slice(0, 200)}" not found; it is not percent-encoded UTF-8`, { field: name });
  }
}
