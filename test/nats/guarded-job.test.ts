import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { connectNats } from '../../core/nats.ts';
import { startFaultRun } from '../support/fault-run.ts';
import { startGuardedNats } from '../support/guarded-nats.ts';

t.setTimeout(240_000);

t.test('a job from submission to its end, and a revoked agent, where nats-server asks who each is', async (t) => {
  const nats = await startGuardedNats(t, [['gateway', 'g1'], ['guardian'], ['agent', 'a1'], ['operator']]);
  const fileOf = (service: string): string => (service === 'gateway' ? nats.fileOf('gateway', 'g1') : service === 'guardian' ? nats.fileOf('guardian') : nats.fileOf('agent', service === 'agent' ? 'a1' : service));
  const run = await startFaultRun(t, {
    server: { nats, envOf: (service) => ({ FORGE_NATS_CREDENTIALS: fileOf(service), FORGE_WORKER_ID: '' }), own: { natsUrl: nats.url, natsCredentials: nats.fileOf('operator') } },
  });
  const { stack, client } = run;
  const jobId = await run.job();
  t.match(await client.get(`/status/${jobId}`), { status: 'completed' });
  t.match(((await client.get('/v1/agents')) as { agents: unknown[] }).agents, [{ agent_id: 'a1' }], 'the agent is called what its credentials say');

  const agent = await nats.connect('agent', 'a1');
  const before = await stack.history();
  for (const reply of ['forge.task.x', 'forge.project.p', '$JS.API.STREAM.PURGE.FORGE', '_INBOX.a2.x']) {
    for (const subject of ['work.ask.a1', 'work.report.a1', 'work.beat.a1', 'work.pin.a1', 'telemetry.a1.x']) agent.publish(subject, '', { reply });
  }
  // A gateway takes each kind one after the other: what is answered now was asked after those.
  for (const verb of ['ask', 'beat']) await agent.request(`work.${verb}.a1`, '', { timeout: 10_000, noMux: true, reply: `_INBOX.a1.${verb}` });
  t.same((await stack.history()).map(({ sequence }) => sequence), before.map(({ sequence }) => sequence), 'a real gateway answers under the agent’s inbox alone');

  const gone = stack.agent.logged(/NATS has closed the connection for good/);
  const refused = stack.agent.logged(/does not take .*they were revoked/);
  const closed = agent.closed();
  await nats.revoke('agent', 'a1');
  t.match(await gone, /for good/, 'a revoked agent ends');
  t.match(await refused, /a1\.json/, 'and the one that is started again says why');
  t.type(await closed, Error, 'so does every connection with its credentials');
  await t.rejects(connectNats({ natsUrl: nats.url, natsCredentials: nats.fileOf('agent', 'a1') }, 'a1'), { code: 'permission_denied' });

  await nats.add('agent', 'a2');
  const key = 'after the revocation';
  const second = await client.submit(key, { max_steps: 12, checkpoint_every_steps: 3 });
  await Promise.race([stack.anotherAgent('a2'), setTimeout(120_000, undefined, { ref: false })]);
  t.equal(await client.follow(second), 'completed', 'another agent is let in while all runs, and does the work');
  await run.check(t, 'every promise holds');

  for (const [command, said] of [
    ['history/verify.ts', /states of 1 running gateways: all is well/],
    ['local/keys.ts create --name first --scopes admin', /^forge_/],
  ] as const) {
    const [file, ...args] = command.split(' ');
    const env = { ...process.env, FORGE_NATS_URL: nats.url, FORGE_NATS_CREDENTIALS: nats.fileOf('operator'), FORGE_DATA_DIR: t.testdir() };
    const ended = await promisify(execFile)(process.execPath, [join(import.meta.dirname, '../../deploy', file!), ...args], { env, timeout: 120_000 });
    t.match(ended.stdout, said, `an operator’s credentials are enough for ${file}`);
  }
});
