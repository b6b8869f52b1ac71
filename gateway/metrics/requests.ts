import { codeToString } from '@connectrpc/connect/protocol-connect';
import type { ServerResponse } from 'node:http';
import { onClosed } from '../port/response.ts';
import { Family, type Counter, type Histogram } from './exposition.ts';
import { begunAt, laneOf, markBegin, routeOf, type Lane } from './route-mark.ts';

interface RouteMeter {
  /** By status and verb in one number. */
  counters: Map<number, Counter>;
  seconds: Histogram;
}

export interface RequestMetrics {
  /** Counts the answer when it is over. */
  watch(response: ServerResponse): void;
  /** Counts what has no such response. @param status of HTTP @param begun monotonic milliseconds */
  count(lane: Lane, route: string, verb: string | undefined, status: number, begun: number): void;
  /** Counts a gRPC call by its own status, which HTTP's does not tell. @param code 0 to 16 */
  countCall(path: string, code: number): void;
  text(): string;
}

/** For what the client did not wait for. */
const clientGone = 499;
const verbs = ['other', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const verbNumbers = new Map(verbs.map((verb, number) => [verb, number]));

/** Requests by lane, route, verb and status, and how long they took. */
export function createRequestMetrics(): RequestMetrics {
  const requests = Family.counters('ai_forge_requests_total', 'Requests that are over, by the template of their route; status 499: the client went away first.');
  const seconds = Family.histograms('ai_forge_request_seconds', 'From the end of the header to the end of the answer, streams included.');
  const calls = Family.counters('ai_forge_grpc_calls_total', 'gRPC calls that are over, by method and status code (https://grpc.github.io/grpc/core/md_doc_statuscodes.html); calls whose client went away first have none.');
  const callCounters = new Map<string, Counter>();
  const meters: Readonly<Record<Lane, Map<string, RouteMeter>>> = { rest: new Map(), openai: new Map(), rpc: new Map(), own: new Map(), none: new Map() };

  const count: RequestMetrics['count'] = (lane, route, verb, status, begun) => {
    let meter = meters[lane].get(route);
    if (meter === undefined) meters[lane].set(route, (meter = { counters: new Map(), seconds: seconds.child({ lane, route }) }));
    const verbNumber = verbNumbers.get(verb ?? '') ?? 0;
    const key = status * verbs.length + verbNumber;
    let counter = meter.counters.get(key);
    if (counter === undefined) meter.counters.set(key, (counter = requests.child({ lane, route, method: verbs[verbNumber]!, status: String(status) })));
    counter.add();
    meter.seconds.observe((performance.now() - begun) / 1000);
  };
  const over = (response: ServerResponse): void =>
    count(laneOf(response), routeOf(response), response.req.method, response.headersSent ? response.statusCode : clientGone, begunAt(response));

  return {
    watch(response) {
      markBegin(response, performance.now());
      onClosed(response, () => over(response));
    },
    count,
    countCall(path, code) {
      const key = `${path} ${code}`;
      let counter = callCounters.get(key);
      if (counter === undefined) callCounters.set(key, (counter = calls.child({ method: path.slice(1), code: code === 0 ? 'OK' : codeToString(code).toUpperCase() })));
      counter.add();
    },
    text: () => requests.text() + seconds.text() + calls.text(),
  };
}
