import { fromBinary, toBinary } from '@bufbuild/protobuf';
import type { NatsConnection } from '@nats-io/transport-node';
import { faultPoint } from '../../core/fault.ts';
import { StepRequestSchema, StepResponseSchema, type StepRequest, type StepResponse } from '../../core/gen/aiforge/v1/pipeline_pb.ts';

const answerMs = 5_000;
/** Errors that pass by themselves: the request is sent again. */
const passing = new Set(['unavailable', 'version_conflict']);

/** Sends a step's request once. @returns undefined where nobody answered, or not yet for good: send it again */
export async function sendStep(nats: NatsConnection, request: StepRequest): Promise<StepResponse | undefined> {
  try {
    faultPoint('guardian.step.before');
    const message = await nats.request('pipeline.step', toBinary(StepRequestSchema, request), { timeout: answerMs });
    faultPoint('guardian.step.after');
    const response = fromBinary(StepResponseSchema, message.data);
    return passing.has(response.errorCode) ? undefined : response;
  } catch {
    return undefined;
  }
}
