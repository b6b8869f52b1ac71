import { rememberLast } from '../port/remember-last.ts';
import type { RestRoute } from './rules.ts';

interface Node {
  literals: Map<string, Node>;
  parameter: Node | undefined;
  byVerb: Map<string, RestRoute>;
}

/** What a path leads to: the routes by verb, and the still encoded values of the path's fields in order. */
export interface Match {
  byVerb: ReadonlyMap<string, RestRoute>;
  values: readonly string[];
}

/**
 * A tree of path segments; a literal segment wins over a field.
 * @throws Error where two routes have the same verb and path
 */
export function createRouter(routes: readonly RestRoute[]): { match(path: string): Match | undefined } {
  const root = emptyNode();
  for (const route of routes) {
    let node = root;
    for (const segment of route.segments) {
      if ('literal' in segment) {
        const next = node.literals.get(segment.literal) ?? emptyNode();
        node.literals.set(segment.literal, next);
        node = next;
      } else {
        node = node.parameter ??= emptyNode();
      }
    }
    if (node.byVerb.has(route.verb)) throw new Error(`Two methods are served at ${route.verb} ${route.path}`);
    node.byVerb.set(route.verb, route);
  }
  return { match: rememberLast((path) => (path.startsWith('/') ? find(root, path.slice(1).split('/'), 0, []) : undefined)) };
}

function find(node: Node, segments: readonly string[], at: number, values: readonly string[]): Match | undefined {
  const segment = segments[at];
  if (segment === undefined) return node.byVerb.size > 0 ? { byVerb: node.byVerb, values } : undefined;
  const literal = node.literals.get(segment);
  const found = literal && find(literal, segments, at + 1, values);
  if (found !== undefined || node.parameter === undefined || segment === '') return found;
  return find(node.parameter, segments, at + 1, [...values, segment]);
}

function emptyNode(): Node {
  return { literals: new Map(), parameter: undefined, byVerb: new Map() };
}
