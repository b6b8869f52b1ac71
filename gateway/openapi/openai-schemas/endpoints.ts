import type { OpenAiEndpoint } from '../openai-operations.ts';
import { json, ref, type Content, type Schema } from '../schema.ts';
import { chatAnswer, chatRequest } from './chat.ts';
import { completionAnswer, completionRequest } from './completions.ts';
import { embeddingAnswer, embeddingRequest } from './embeddings.ts';
import { fileObject, fileUpload } from './files.ts';
import { fineTuningCheckpoint, fineTuningEvent, fineTuningJob, fineTuningRequest } from './fine-tuning.ts';
import { deletedObject, modelObject } from './models.ts';
import { responseAnswer, responseRequest } from './responses.ts';
import { after, list } from './shared.ts';

/** Component schemas of the OpenAI lane. */
export const openAiSchemas: Record<string, Schema> = {
  OpenAiChatRequest: chatRequest,
  OpenAiChatCompletion: chatAnswer,
  OpenAiCompletionRequest: completionRequest,
  OpenAiCompletion: completionAnswer,
  OpenAiEmbeddingRequest: embeddingRequest,
  OpenAiEmbeddings: embeddingAnswer,
  OpenAiResponseRequest: responseRequest,
  OpenAiResponse: responseAnswer,
  OpenAiModel: modelObject,
  OpenAiFile: fileObject,
  OpenAiFineTuningRequest: fineTuningRequest,
  OpenAiFineTuningJob: fineTuningJob,
  OpenAiFineTuningEvent: fineTuningEvent,
  OpenAiFineTuningCheckpoint: fineTuningCheckpoint,
};

/** OpenAPI before 3.2 describes a stream of events by one of them. */
const event: Schema = { type: 'object', description: 'A server-sent event: `data` is a chunk in JSON, or `[DONE]`.', properties: { event: { type: 'string' }, data: { type: 'string' } }, required: ['data'] };
const streamed = (whole: string): { content: Content } => ({ content: { ...json(ref(whole)), 'text/event-stream': { schema: event } } });
const limit: Schema = { type: 'integer', minimum: 1, maximum: 100 };
const job: Pick<OpenAiEndpoint, 'tag' | 'answer'> = { tag: 'OpenAI fine-tuning', answer: ref('OpenAiFineTuningJob') };

/** What each route of the lane takes and gives, by verb and path; the names of the path's fields do not matter here. */
export const openAiEndpoints: Readonly<Record<string, OpenAiEndpoint>> = {
  'POST /v1/chat/completions': { operationId: 'CreateChatCompletion', summary: 'Answer a conversation', tag: 'OpenAI', body: ref('OpenAiChatRequest'), answer: streamed('OpenAiChatCompletion'), passesThrough: true },
  'POST /v1/completions': { operationId: 'CreateCompletion', summary: 'Go on with a text, or fill a gap in it', tag: 'OpenAI', body: ref('OpenAiCompletionRequest'), answer: streamed('OpenAiCompletion'), passesThrough: true },
  'POST /v1/embeddings': { operationId: 'CreateEmbeddings', summary: 'Embed texts', tag: 'OpenAI', body: ref('OpenAiEmbeddingRequest'), answer: ref('OpenAiEmbeddings'), passesThrough: true },
  'POST /v1/responses': { operationId: 'CreateResponse', summary: 'Answer an input', description: 'Where the backend has it.', tag: 'OpenAI', body: ref('OpenAiResponseRequest'), answer: streamed('OpenAiResponse'), passesThrough: true },
  'GET /v1/models': { operationId: 'ListOpenAiModels', summary: 'The models that answer', tag: 'OpenAI', answer: list(ref('OpenAiModel'), false) },
  'GET /v1/models/{}': { operationId: 'GetOpenAiModel', summary: 'One model', description: 'The name may have slashes.', tag: 'OpenAI', answer: ref('OpenAiModel') },
  'DELETE /v1/models/{}': { operationId: 'DeleteOpenAiModel', summary: 'Remove a fine-tuned model', tag: 'OpenAI', answer: deletedObject('model') },
  'POST /v1/files': { operationId: 'UploadFile', summary: 'Upload training data', tag: 'OpenAI files', body: { content: { 'multipart/form-data': { schema: fileUpload } } }, answer: ref('OpenAiFile') },
  'GET /v1/files': { operationId: 'ListFiles', summary: 'The uploaded files', tag: 'OpenAI files', query: { after, limit: { type: 'integer', minimum: 1, maximum: 10_000 }, order: { type: 'string', enum: ['asc', 'desc'] }, purpose: { type: 'string' } }, answer: list(ref('OpenAiFile'), true) },
  'GET /v1/files/{}': { operationId: 'GetFile', summary: 'One file', tag: 'OpenAI files', answer: ref('OpenAiFile') },
  'GET /v1/files/{}/content': { operationId: 'GetFileContent', summary: 'What is in a file', tag: 'OpenAI files', answer: { content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } } } },
  'DELETE /v1/files/{}': { operationId: 'DeleteFile', summary: 'Remove a file', tag: 'OpenAI files', answer: deletedObject('file') },
  'POST /v1/fine_tuning/jobs': { ...job, operationId: 'CreateFineTuningJob', summary: 'Start a fine-tuning job', body: ref('OpenAiFineTuningRequest') },
  'GET /v1/fine_tuning/jobs': { ...job, operationId: 'ListFineTuningJobs', summary: 'The fine-tuning jobs', query: { after, limit }, answer: list(ref('OpenAiFineTuningJob'), true) },
  'GET /v1/fine_tuning/jobs/{}': { ...job, operationId: 'GetFineTuningJob', summary: 'One fine-tuning job' },
  'POST /v1/fine_tuning/jobs/{}/cancel': { ...job, operationId: 'CancelFineTuningJob', summary: 'Cancel a job' },
  'POST /v1/fine_tuning/jobs/{}/pause': { ...job, operationId: 'PauseFineTuningJob', summary: 'Pause a job' },
  'POST /v1/fine_tuning/jobs/{}/resume': { ...job, operationId: 'ResumeFineTuningJob', summary: 'Resume a paused job' },
  'GET /v1/fine_tuning/jobs/{}/events': { ...job, operationId: 'ListFineTuningEvents', summary: 'What happened in a job', query: { after, limit }, answer: list(ref('OpenAiFineTuningEvent'), true) },
  'GET /v1/fine_tuning/jobs/{}/checkpoints': { ...job, operationId: 'ListFineTuningCheckpoints', summary: 'What a job has saved', query: { after, limit }, answer: list(ref('OpenAiFineTuningCheckpoint'), true) },
};
