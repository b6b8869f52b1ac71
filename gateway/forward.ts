import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Ledger } from '../core/store/ledger.ts';
import type { GuardianClient } from './guardian-client.ts';
import { keyHash } from './jobs/submit.ts';
import type { CallContext } from './method.ts';

/** Makes a method of what the guardian answers. */
export type Forward = <I extends DescMessage, O extends DescMessage>(method: DescMethodUnary<I, O>) => (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>;

/** @param ledger what was done shows in it before the answer is given, so that who asks next finds it */
export function createForward(guardian: GuardianClient, ledger: Ledger): Forward {
  return (method) => async (request, context) => {
    const { response, sequence } = await guardian.call(method, request as never, { idempotencySha256: keyHash(context), signal: context.signal });
    await ledger.waitFor(sequence, context.signal);
    return response as never;
  };
}
