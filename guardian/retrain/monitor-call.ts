import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { MonitorRetrainRequest, MonitorRetrainResponseSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { findProject } from '../projects/find.ts';
import { resolveTimeoutMs } from '../resolve.ts';
import { look, type LookDeps } from './look.ts';
import type { Answer } from './retrain.ts';

/** `GET /v1/retrain/monitor`: measures and decides, and changes nothing. @throws ForgeError */
export async function monitorProject(request: MonitorRetrainRequest, deps: LookDeps, signal: AbortSignal): Promise<Answer<MessageInitShape<typeof MonitorRetrainResponseSchema>>> {
  await deps.ledger.catchUp(signal);
  const project = await findProject(request, deps.ledger, { projectRoots: deps.projectRoots, timeoutMs: resolveTimeoutMs });
  const { decision, metrics } = await look(project, undefined, deps, signal);
  return { response: { shouldRetrain: decision.retrain, reason: decision.reason, metrics, checkedAt: timestampFromMs(Date.now()) }, sequence: 0 };
}
