import { create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import t from 'tap';
import { GetHealthResponseSchema } from '../../core/gen/aiforge/v1/health_pb.ts';
import { ChatResponseSchema, ListModelsResponseSchema, QueryResponseSchema } from '../../core/gen/aiforge/v1/inference_pb.ts';
import { CreateFineTuneResponseSchema, DeployResponseSchema, GetJobResponseSchema, JobStatus, ListFineTunesResponseSchema, ValidateResponseSchema } from '../../core/gen/aiforge/v1/job_pb.ts';
import { MonitorRetrainResponseSchema, RetrainResponseSchema } from '../../core/gen/aiforge/v1/retrain_pb.ts';
import { encodeMessage } from '../../gateway/rest/encode.ts';

const time = timestampFromDate(new Date('2024-01-17T12:00:00Z'));
const jobId = 'job_20240117_120000';

function encoded<D extends DescMessage>(desc: D, init: MessageInitShape<D>): unknown {
  return JSON.parse(encodeMessage(desc, create(desc, init)));
}

// The examples of the API reference, word for word; what stands beside them in the answer is named on the right.
t.test('every example of the reference', async (t) => {
  const golden: [string, unknown, unknown, Record<string, unknown>?][] = [
    ['GET /health', encoded(GetHealthResponseSchema, { status: 'healthy', timestamp: time, ollamaAvailable: true, inference: 'ollama' }),
      { status: 'healthy', timestamp: '2024-01-17T12:00:00Z', ollama_available: true }, { degraded: [], inference: 'ollama' }],
    ['GET /models', encoded(ListModelsResponseSchema, { models: [{ name: 'ai-forge-project:latest', size: 1_800_000_000n, modifiedAt: time }], activeModel: 'ai-forge-project:latest' }),
      { models: [{ name: 'ai-forge-project:latest', size: 1800000000, modified_at: '2024-01-17T12:00:00Z' }], active_model: 'ai-forge-project:latest' }],
    ['POST /v1/fine-tune', encoded(CreateFineTuneResponseSchema, { jobId, status: JobStatus.QUEUED, message: 'Fine-tuning job queued' }),
      { job_id: 'job_20240117_120000', status: 'queued', message: 'Fine-tuning job queued' }],
    ['GET /status/{job_id}', encoded(GetJobResponseSchema, { jobId, status: JobStatus.TRAINING, progress: 45.5, currentEpoch: 2, currentStep: 150n, loss: 1.234, createdAt: time, updatedAt: timestampFromDate(new Date('2024-01-17T12:15:00Z')) }),
      { job_id: 'job_20240117_120000', status: 'training', progress: 45.5, current_epoch: 2, current_step: 150, loss: 1.234, created_at: '2024-01-17T12:00:00Z', updated_at: '2024-01-17T12:15:00Z' }],
    ['POST /v1/chat/completions', encoded(ChatResponseSchema, { id: 'chatcmpl-123', object: 'chat.completion', created: 1705485600n, model: 'ai-forge-project:latest', choices: [{ index: 0, message: { role: 'assistant', content: 'This function...' }, finishReason: 'stop' }], usage: { promptTokens: 25n, completionTokens: 100n, totalTokens: 125n } }),
      { id: 'chatcmpl-123', object: 'chat.completion', created: 1705485600, model: 'ai-forge-project:latest', choices: [{ index: 0, message: { role: 'assistant', content: 'This function...' }, finish_reason: 'stop' }], usage: { prompt_tokens: 25, completion_tokens: 100, total_tokens: 125 } }],
    ['POST /v1/query', encoded(QueryResponseSchema, { response: 'The DataProcessor class...', model: 'ai-forge-project:latest', tokensUsed: 150n }),
      { response: 'The DataProcessor class...', model: 'ai-forge-project:latest', tokens_used: 150 }],
    ['POST /deploy/{job_id}', encoded(DeployResponseSchema, { jobId, success: true, modelName: 'ai-forge-project:latest', ggufPath: './export/model.gguf' }),
      { job_id: 'job_20240117_120000', success: true, model_name: 'ai-forge-project:latest', gguf_path: './export/model.gguf' }],
    ['POST /v1/retrain', encoded(RetrainResponseSchema, { triggered: true, reason: '20 files changed (threshold: 20)', plan: { plan: [{ id: '1', name: 'extract_data', estimatedMinutes: 5 }, { id: '2', name: 'validate_data', estimatedMinutes: 2 }], estimatedDurationMinutes: 47 }, jobId: 'agent_20240117_120000' }),
      { triggered: true, reason: '20 files changed (threshold: 20)', plan: { plan: [{ id: '1', name: 'extract_data', estimated_minutes: 5 }, { id: '2', name: 'validate_data', estimated_minutes: 2 }], estimated_duration_minutes: 47 }, job_id: 'agent_20240117_120000' }],
  ];
  for (const [name, actual, example, more] of golden) t.strictSame(actual, { ...(example as object), ...more }, name);

  const validated = encoded(ValidateResponseSchema, { jobId, passed: true, metrics: { finalLoss: 1.23, perplexity: 3.42 }, reportPath: './output/validation_report.md' });
  const metrics = { final_loss: 1.23, perplexity: 3.42, base_perplexity: 0, tokens: 0, examples: 0, margin: 0 };
  t.strictSame(validated, { job_id: 'job_20240117_120000', passed: true, metrics, report_path: './output/validation_report.md' }, 'POST /validate/{job_id}');

  const monitored = encoded(MonitorRetrainResponseSchema, { shouldRetrain: true, reason: '20 files changed', metrics: { commitsSinceLastTrain: 15n, filesChanged: 23n, criticalPathsChanged: true, base: 'ancestor' }, checkedAt: time });
  const changes = { commits_since_last_train: 15, files_changed: 23, critical_paths_changed: true };
  const beside = { languages: [], new_tags: [], base_commit: '', head_commit: '', critical_files: [], never_trained: false, base: 'ancestor', shallow: false };
  t.strictSame(monitored, { should_retrain: true, reason: '20 files changed', metrics: { ...changes, ...beside }, checked_at: '2024-01-17T12:00:00Z' }, 'GET /v1/retrain/monitor');
});

t.test('the status values of the reference, and ours', async (t) => {
  const values = Object.values(JobStatus).filter((value) => value !== JobStatus.UNSPECIFIED);
  const names = values.map((status) => (encoded(GetJobResponseSchema, { status }) as { status: string }).status);
  t.same(names, ['queued', 'preparing', 'training', 'completed', 'failed', 'paused', 'cancelled']);
});

t.test('what is unset, zero, fractional, large or not finite', async (t) => {
  for (const init of [{}, { jobId: 'job_1', createdAt: { seconds: 1n }, updatedAt: timestampFromMs(1500), loss: 0 }]) {
    t.equal(encodeMessage(GetJobResponseSchema, init), encodeMessage(GetJobResponseSchema, create(GetJobResponseSchema, init)), 'what a message is made of is written like the message');
  }
  t.equal(encodeMessage(ListFineTunesResponseSchema, { jobs: [{ jobId: 'job_1' }] }), '{"jobs":[{"job_id":"job_1","status":"unspecified","progress":0}],"next_page_token":""}');
  t.equal(encodeMessage(GetJobResponseSchema, create(GetJobResponseSchema, {})), '{"job_id":"","status":"unspecified","progress":0}', 'fields without presence are there');
  t.equal(encodeMessage(ListFineTunesResponseSchema, create(ListFineTunesResponseSchema, {})), '{"jobs":[],"next_page_token":""}');
  t.equal(encodeMessage(GetJobResponseSchema, create(GetJobResponseSchema, { currentStep: 2n ** 64n - 1n, loss: 0, error: '' })), '{"job_id":"","status":"unspecified","progress":0,"current_step":18446744073709551615,"loss":0,"error":""}', 'set to zero is set');
  const half = timestampFromDate(new Date('2024-01-17T12:00:00.5Z'));
  t.match(encoded(GetHealthResponseSchema, { timestamp: half }), { timestamp: '2024-01-17T12:00:00.500Z' });
  t.match(encoded(GetJobResponseSchema, { loss: NaN, progress: Infinity }), { loss: 'NaN', progress: 'Infinity' });
  t.match(encoded(GetJobResponseSchema, { status: 99 as JobStatus }), { status: 99 }, 'an enum value that is not known');
});
