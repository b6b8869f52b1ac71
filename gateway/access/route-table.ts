import type { ServiceRoute } from '../method.ts';
import type { OpenAiLane } from '../openai/lane.ts';
import { restRouter } from '../rest/rest.ts';
import { methodNeeds, openAiNeeds, openAiRouteName, otherNeeds, type Need } from './needs.ts';

export interface RouteTable {
  /** @returns `admin` for whatever is in no table, so that a new route is closed until somebody opens it */
  need(verb: string, path: string): Need;
  /** Whether errors at that path are in OpenAI's form. */
  isOpenAi(path: string): boolean;
}

/** What a request must have, told by the routers that the lanes take themselves, in the lanes' order. */
export function createRouteTable(services: readonly ServiceRoute[], lane: Pick<OpenAiLane, 'find'>): RouteTable {
  // Maps: a path such as `/constructor` must find nothing.
  const methods = new Map(Object.entries(methodNeeds));
  const openAiRoutes = new Map(Object.entries(openAiNeeds));
  // By route: names are put together once.
  const known = new WeakMap<object, Need>();
  const remember = (route: object, need: Need | undefined): Need => {
    known.set(route, need ?? 'admin');
    return need ?? 'admin';
  };
  const rest = restRouter(services);
  const openAi = (path: string): ReturnType<OpenAiLane['find']> | 'undecodable' => {
    try {
      return lane.find(path);
    } catch {
      return 'undecodable';
    }
  };
  return {
    need(verb, path) {
      const found = openAi(path);
      if (found === 'undecodable') return 'admin';
      if (found !== undefined) {
        const route = found.byVerb.get(verb === 'HEAD' ? 'GET' : verb);
        if (route === undefined) return 'admin';
        return known.get(route) ?? remember(route, openAiRoutes.get(openAiRouteName(route.verb, route.path)));
      }
      const rpc = methods.get(path.slice(1));
      if (rpc !== undefined) return rpc;
      const route = rest.match(path)?.byVerb.get(verb === 'HEAD' ? 'GET' : verb);
      if (route !== undefined) return known.get(route) ?? remember(route, methods.get(`${route.method.parent.typeName}/${route.method.name}`));
      return otherNeeds.find(([start]) => path.startsWith(start))?.[1] ?? 'admin';
    },
    isOpenAi: (path) => openAi(path) !== undefined,
  };
}
