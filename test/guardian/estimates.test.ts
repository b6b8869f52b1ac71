import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { PipelinePlannedSchema } from '../../core/gen/aiforge/v1/events_pb.ts';
import { stepNames, type Pipeline, type Step, type StepName, type StepStatus } from '../../core/pipeline/state.ts';
import { planSteps } from '../../guardian/pipeline/estimates.ts';

const begun = 1_700_000_000_000;

/** A pipeline of which one step took so many minutes. */
function pipeline(name: StepName, minutes: number, status: StepStatus = 'completed', of: Pipeline['status'] = 'completed', paused = 0): Pipeline {
  const steps = stepNames.map((each): Step => ({ name: each, status: each === name ? status : 'pending', try: 1, request: undefined, taskId: '', startedAt: each === name ? begun : 0, endedAt: each === name ? begun + minutes * 60_000 : 0, pausedMs: paused * 60_000, result: undefined, error: undefined }));
  return { id: 'agent_1', plan: create(PipelinePlannedSchema), createdAt: begun, updatedAt: begun, steps, requested: 'none', resuming: false, gate: undefined, status: of } as Pipeline;
}
const estimate = (name: StepName, history: Pipeline[]): number => planSteps([name], history)[0]!.estimatedMinutes;
const trained = (...minutes: number[]): Pipeline[] => minutes.map((each) => pipeline('train', each));

t.test('before there is any history it is a guess of 47 minutes', async (t) => {
  const steps = planSteps(stepNames, []);
  t.strictSame(steps.map(({ id, name }) => [id, name]), stepNames.map((name, index) => [String(index + 1), name]));
  t.equal(steps.reduce((sum, { estimatedMinutes }) => sum + estimatedMinutes, 0), 47);
  t.equal(planSteps(stepNames.slice(0, 5), []).reduce((sum, { estimatedMinutes }) => sum + estimatedMinutes, 0), 45, 'without the deploy');
});

t.test('afterwards it is the median of what the step took here', async (t) => {
  t.equal(estimate('train', trained(12)), 12);
  t.equal(estimate('train', trained(100, 10, 20)), 20);
  t.equal(estimate('train', trained(10, 20)), 15, 'of an even number the mean of the middle two');
  t.equal(estimate('train', trained(1_000, 1_000, 1_000, 10, 20, 30, 40, 50)), 30, 'of the last five');
  t.equal(estimate('train', trained(12.345)), 12.3, 'to a tenth');
  t.equal(estimate('validate_data', [pipeline('validate_data', 0.001)]), 0.1, 'and at least that');
});

t.test('each step has its own history, and only completed ones count', async (t) => {
  const history = [...trained(12), pipeline('train', 999, 'failed', 'failed'), pipeline('train', 999, 'running', 'paused'), pipeline('train', 999, 'skipped', 'refused')];
  t.equal(estimate('train', history), 12);
  t.equal(estimate('export', history), 3, 'what never was is guessed');
  t.equal(estimate('train', [pipeline('train', 8, 'completed', 'failed')]), 8, 'a step that was completed counts, whatever became of its pipeline');
});

t.test('what a step was paused for is not its time', async (t) => {
  t.equal(estimate('train', [pipeline('train', 500, 'completed', 'completed', 480)]), 20);
});
