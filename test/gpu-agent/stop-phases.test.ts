import t from 'tap';
import type { TaskState } from '../../core/task/state.ts';
import { watch } from '../support/gateway-scene.ts';
import { processState } from '../support/proc.ts';
import { scriptedScene, type ScriptedScene } from '../support/scripted-scene.ts';

t.setTimeout(120_000);

/** Where a trainer waits, and from which step a paused one goes on. */
const phases = {
  loading: { script: { steps: 4, holdIn: 'loading' }, status: 'preparing', resumes: 1 },
  training: { script: { steps: 4, holdAt: 3 }, status: 'training', resumes: 4 },
  evaluating: { script: { steps: 4, holdIn: 'evaluating' }, status: 'training', resumes: undefined },
} as const;

const inPhase = (phase: string) => (task: TaskState): boolean => task.status === 'running' && task.attempt.phase === phase;

/** Submits a job whose trainer waits in a phase. @returns its id and its trainer's process id */
async function waiting({ script, submit, until, scene }: ScriptedScene, phase: keyof typeof phases, more: Record<string, unknown> = {}): Promise<{ jobId: string; pid: number }> {
  await script({ train: [{ ...phases[phase].script, ...more }, { steps: 4 }] });
  const jobId = await submit();
  await until(jobId, inPhase(phase));
  if (phase === 'training') await watch(scene, jobId, '', (message) => message['step'] === 3);
  const { lines } = (await scene.get(`/v1/fine-tune/${jobId}/logs`)).body as { lines: { text: string }[] };
  return { jobId, pid: Number(/^pid (\d+)$/.exec(lines[0]!.text)![1]) };
}

for (const [phase, { status, resumes }] of Object.entries(phases) as [keyof typeof phases, (typeof phases)[keyof typeof phases]][]) {
  t.test(`paused while ${phase}, then resumed; cancelled while ${phase}`, async (t) => {
    const all = await scriptedScene(t);
    const { scene, until, ended } = all;
    const paused = await waiting(all, phase);
    t.ok(processState(paused.pid));
    const asked = performance.now();
    t.match(await scene.post(`/v1/fine-tune/${paused.jobId}/pause`), { status: 200, body: { status } });
    const state = await until(paused.jobId, (task) => task.status === 'paused');
    t.comment(`paused after ${(performance.now() - asked).toFixed(0)} ms`);
    t.equal(processState(paused.pid), undefined, 'no process is left');
    t.match(state, { checkpoint: resumes === 1 ? undefined : { step: phase === 'training' ? 3 : 4 } });
    t.match(await scene.post(`/v1/fine-tune/${paused.jobId}/resume`), { status: 200, body: { status: 'queued' } });
    t.match(await ended(paused.jobId), { status: 'completed' });
    const { messages } = await watch(scene, paused.jobId);
    t.equal(messages.find((message) => message['attempt'] === 2 && message['type'] === 'metrics')?.['step'], resumes, 'it goes on where it was');

    const cancelled = await waiting(all, phase);
    const cancelAsked = performance.now();
    t.match(await scene.post(`/v1/fine-tune/${cancelled.jobId}/cancel`), { status: 200, body: { status } });
    t.match(await ended(cancelled.jobId), { status: 'cancelled' });
    t.comment(`cancelled after ${(performance.now() - cancelAsked).toFixed(0)} ms`);
    t.equal(processState(cancelled.pid), undefined, 'no process is left');
  });
}

t.test('queued: paused, resumed and cancelled at once, and paused jobs are cancelled', async (t) => {
  const { scene, submit } = await scriptedScene(t, { agent: false });
  const jobId = await submit();
  t.match(await scene.post(`/v1/fine-tune/${jobId}/pause`), { status: 200, body: { status: 'paused' } });
  t.match(await scene.post(`/v1/fine-tune/${jobId}/resume`), { status: 200, body: { status: 'queued' } });
  t.match(await scene.post(`/v1/fine-tune/${jobId}/pause`), { status: 200, body: { status: 'paused' } });
  t.match(await scene.post(`/v1/fine-tune/${jobId}/cancel`), { status: 200, body: { status: 'cancelled' } });
  const other = await submit();
  t.match(await scene.post(`/v1/fine-tune/${other}/cancel`), { status: 200, body: { status: 'cancelled' } });
});

t.test('a trainer that heeds no cancel is killed, within the 5 seconds that are promised', async (t) => {
  const all = await scriptedScene(t);
  const { jobId, pid } = await waiting(all, 'training', { deaf: true });
  await all.scene.post(`/v1/fine-tune/${jobId}/cancel`);
  t.match(await all.ended(jobId), { status: 'cancelled' });
  t.equal(processState(pid), undefined);
});
