import t from 'tap';
import { startPipelineRun } from '../support/pipeline-run.ts';

t.test('a pipeline runs to a model that serves, and is told of as it goes', { timeout: 120_000 }, async (t) => {
  const run = await startPipelineRun(t);
  const id = await run.start();
  t.equal(await run.follow(id), 'completed');
  await run.check(t, 'each step once');
  const pipeline = await run.client.get(`/v1/retrain/${id}`);
  t.match(pipeline, { job_id: id, project_name: 'toy', status: 'completed', trigger: 'request', gate: { passed: true }, auto_deploy: true });
  t.same(pipeline.steps.map((step: { name: string; status: string }) => `${step.name} ${step.status}`), ['extract_data completed', 'validate_data completed', 'train completed', 'evaluate completed', 'export completed', 'deploy completed']);
  const report = await run.client.get(`/v1/retrain/${id}/report`);
  t.match(report.report, /## Gate\n\nThe new model may be deployed/);
  const models = await run.client.get('/models');
  t.equal(models.active_model, 'toy:latest');
});
