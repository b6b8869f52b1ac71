import { once } from 'node:events';
import t from 'tap';
import { ResolveRequestSchema, ResolveResponseSchema } from '../../core/gen/aiforge/v1/guardian_pb.ts';
import { silentLogger } from '../../core/logger.ts';
import { connectNats } from '../../core/nats.ts';
import { createGuardianClient } from '../../gateway/guardian-client.ts';
import { answerCalls, call, type CallContext } from '../../guardian/calls.ts';
import { startNats } from '../support/nats.ts';

const method = { name: 'Resolve', input: ResolveRequestSchema, output: ResolveResponseSchema };

/** A guardian that only answers this call. */
async function serve(t: Parameters<typeof startNats>[0], limitMs: number, handle: (context: CallContext) => Promise<void>) {
  const { url } = await startNats(t);
  const [own, gateway] = [await connectNats(url, 'guardian'), await connectNats(url, 'gateway')];
  const stop = answerCalls(own, [call(method, async (_request, context) => (await handle(context), { response: { commit: 'c0ffee' }, sequence: 3 }))], silentLogger, limitMs);
  t.teardown(async () => {
    await stop();
    await Promise.all([own.close(), gateway.close()]);
  });
  await own.flush();
  return { stop, ask: () => createGuardianClient(gateway).call(method, {}, {}) };
}

const aborted = async ({ signal }: CallContext): Promise<void> => {
  if (!signal.aborted) await once(signal, 'abort');
  signal.throwIfAborted();
};

t.test('a call may last as long as whoever serves it says, and no longer', async (t) => {
  const { ask } = await serve(t, 700, aborted);
  const started = performance.now();
  await t.rejects(ask(), { code: 'unavailable', message: /^the guardian was not done within 0\.7 s$/ });
  t.ok(performance.now() - started >= 690);
});

t.test('what is under way when the guardian goes down is told so', async (t) => {
  const begun = Promise.withResolvers<void>();
  const { ask, stop } = await serve(t, 60_000, (context) => (begun.resolve(), aborted(context)));
  const answer = t.rejects(ask(), { code: 'unavailable', message: /going down/ });
  await begun.promise;
  await stop();
  await answer;
});
