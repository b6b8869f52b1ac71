import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { PinBaseRequestSchema, PinBaseResponseSchema } from '../core/gen/aiforge/v1/worker_pb.ts';
import { backOffMs, type Link } from '../core/worker/link.ts';
import { starterName, type Made, type Pin } from './base-model.ts';

const answerMs = 10_000;

/** Asks until a gateway has answered which starter model counts. @returns undefined when the signal aborts first */
export async function pinStarter(link: Link, made: Made, signal: AbortSignal): Promise<Pin | undefined> {
  const request = toBinary(PinBaseRequestSchema, create(PinBaseRequestSchema, { baseModel: starterName, treeDigest: made.treeDigest, baseModelDigest: made.baseModelDigest, ...(made.shape === undefined ? {} : { shape: made.shape }) }));
  for (let tries = 0; !signal.aborted; tries++) {
    try {
      const { treeDigest, baseModelDigest } = fromBinary(PinBaseResponseSchema, await link.request(`work.pin.${link.workerId}`, request, answerMs, signal));
      // An empty answer means that it could not be decided now.
      if (treeDigest !== '') return { treeDigest, baseModelDigest };
    } catch {
      // No answer, or none that can be read: asked again.
    }
    await link.nudged(backOffMs(tries), signal);
  }
  return undefined;
}
