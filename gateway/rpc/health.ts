import type { DescService } from '@bufbuild/protobuf';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { setTimeout as delay } from 'node:timers/promises';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../core/gen/health/v1/health_pb.ts';

/** Whether requests can be served now. */
export type HealthProbe = () => Promise<'SERVING' | 'NOT_SERVING'>;

/** How often a watcher's status is looked at again. */
const watchMs = 1000;

/**
 * The standard health service (grpc.health.v1). All services share one process, hence one status; the empty name
 * means the whole server. An unknown name is NOT_FOUND, and SERVICE_UNKNOWN for a watcher, as the standard has it.
 */
export function addHealth(router: ConnectRouter, services: readonly DescService[], probe: HealthProbe, draining: AbortSignal): void {
  const names = new Set(['', Health.typeName, ...services.map((service) => service.typeName)]);
  const status = async (): Promise<ServingStatus> => {
    if (draining.aborted) return ServingStatus.NOT_SERVING;
    // A probe that fails is an answer too.
    return ServingStatus[await probe().catch(() => 'NOT_SERVING' as const)];
  };
  router.service(Health, {
    async check({ service }) {
      if (!names.has(service)) throw new ConnectError(`no such service: ${service.slice(0, 200)}`, Code.NotFound);
      return { status: await status() };
    },
    async list() {
      const now = await status();
      return { statuses: Object.fromEntries([...names].map((name) => [name, { status: now }])) };
    },
    async *watch({ service }, context: HandlerContext) {
      const signal = AbortSignal.any([context.signal, draining]);
      let last: ServingStatus | undefined;
      while (!signal.aborted) {
        const now = names.has(service) ? await status() : ServingStatus.SERVICE_UNKNOWN;
        if (now !== last) yield { status: now };
        last = now;
        await delay(watchMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
      if (draining.aborted && !context.signal.aborted) yield { status: ServingStatus.NOT_SERVING };
    },
  });
}
