import { decodeEnvelope } from '../../core/store/envelope.ts';
import type { PipelineRun } from './pipeline-run.ts';

export type Target = 'guardian' | 'gateway' | 'nats-server';

/** Moments of a step: its request is on its way to the stream, its answer, its end. */
export const stepMoments = ['stepRequested', 'stepAccepted', 'stepCompleted'] as const;
export const taskSteps = ['extract_data', 'train', 'evaluate', 'export', 'deploy'] as const;

/**
 * Kills the target with SIGKILL when an event of that kind of that step passes NATS on its way to the stream, once.
 * @returns resolves when it was killed and stands again
 */
export async function strikeAt(run: PipelineRun, target: Target, step: string, moment: (typeof stepMoments)[number]): Promise<void> {
  const { stack } = run;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const subscription = stack.connection.subscribe('forge.pipeline.>', {
    callback(error, message) {
      if (error !== null) return;
      const { events } = decodeEnvelope(message.data);
      const fits = events.some(({ kind }) => kind.case === moment && (kind.case === 'stepRequested' ? kind.value.request?.step : (kind.value as { step: string }).step) === step);
      if (!fits) return;
      subscription.unsubscribe();
      const act = { guardian: stack.guardian.kill, gateway: stack.gateway.kill, 'nats-server': stack.nats.restart }[target];
      act().then(resolve, reject);
    },
  });
  await stack.connection.flush();
  return promise;
}
