import type { ServerResponse } from 'node:http';
import { Family, type Counter, type Histogram } from './exposition.ts';
import { markBegin, readMarks, type Lane } from './route-mark.ts';

interface RouteMeter {
  /** By verb and status. */
  counters: Map<string, Map<number, Counter>>;
  seconds: Histogram;
}

export interface RequestMetrics {
  /** Counts the answer when it is over. */
  watch(response: ServerResponse): void;
  text(): string;
}

/** For what the client did not wait for. */
const clientGone = 499;
const verbs = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Requests by lane, route, verb and status, and how long they took. */
export function createRequestMetrics(): RequestMetrics {
  const requests = Family.counters('ai_forge_requests_total', 'Requests that are over, by the template of their route; status 499: the client went away first.');
  const seconds = Family.histograms('ai_forge_request_seconds', 'From the end of the header to the end of the answer, streams included.');
  const meters = new Map<Lane, Map<string, RouteMeter>>();

  const meterOf = (lane: Lane, route: string): RouteMeter => {
    let routes = meters.get(lane);
    if (routes === undefined) meters.set(lane, (routes = new Map()));
    let meter = routes.get(route);
    if (meter === undefined) routes.set(route, (meter = { counters: new Map(), seconds: seconds.child({ lane, route }) }));
    return meter;
  };
  const counterOf = (meter: RouteMeter, lane: Lane, route: string, verb: string, status: number): Counter => {
    let byStatus = meter.counters.get(verb);
    if (byStatus === undefined) meter.counters.set(verb, (byStatus = new Map()));
    let counter = byStatus.get(status);
    if (counter === undefined) byStatus.set(status, (counter = requests.child({ lane, route, method: verb, status: String(status) })));
    return counter;
  };
  // One function for all answers, so that none needs a closure of its own.
  function over(this: ServerResponse): void {
    const { lane, route, begun } = readMarks(this);
    const asked = this.req.method ?? '';
    const verb = verbs.has(asked) ? asked : 'other';
    const meter = meterOf(lane, route);
    counterOf(meter, lane, route, verb, this.headersSent ? this.statusCode : clientGone).add();
    meter.seconds.observe((performance.now() - begun) / 1000);
  }

  return {
    watch(response) {
      markBegin(response, performance.now());
      response.on('close', over);
    },
    text: () => requests.text() + seconds.text(),
  };
}
