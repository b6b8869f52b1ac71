import type { ServerResponse } from 'node:http';

export type Lane = 'rest' | 'openai' | 'rpc' | 'own' | 'none';

const lane = Symbol('lane');
const route = Symbol('route');
const begun = Symbol('begun');

/** What an answer is counted as, written on the response itself so that lanes need not know who counts. */
interface Marked {
  [lane]?: Lane;
  [route]?: string;
  [begun]?: number;
}

/** Says which route a request took. @param template of the path, never the path that came: there are only so many */
export function markRoute(response: ServerResponse, lanes: Lane, template: string): void {
  const marked = response as Marked;
  marked[lane] = lanes;
  marked[route] = template;
}

/** @param now monotonic milliseconds */
export function markBegin(response: ServerResponse, now: number): void {
  (response as Marked)[begun] = now;
}

export const laneOf = (response: ServerResponse): Lane => (response as Marked)[lane] ?? 'none';
export const routeOf = (response: ServerResponse): string => (response as Marked)[route] ?? 'none';
/** Monotonic milliseconds. */
export const begunAt = (response: ServerResponse): number => (response as Marked)[begun] ?? NaN;
