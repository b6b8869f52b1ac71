/**
 * What a caller must have: nothing, any key, or a key of a scope (of which `admin` includes the others). What is `keyless`
 * is counted like the rest, what is `open` always answers. `attempt`: the token of an attempt, which whoever answers looks
 * at, or a key that may do everything.
 */
export type Need = 'open' | 'keyless' | 'attempt' | 'any' | 'inference' | 'train' | 'admin';

/** Methods by their RPC path without its first slash; their REST routes are of the same need. What is missing is `admin`. */
export const methodNeeds: Readonly<Record<string, Need>> = {
  'aiforge.v1.AccessService/CreateKey': 'admin',
  'aiforge.v1.AccessService/ListKeys': 'admin',
  'aiforge.v1.AccessService/RevokeKey': 'admin',
  // What it may open is what the key may.
  'aiforge.v1.AccessService/CreateTicket': 'any',
  'aiforge.v1.DatasetService/CreateDataset': 'train',
  'aiforge.v1.DatasetService/ListDatasets': 'train',
  'aiforge.v1.DatasetService/GetDataset': 'train',
  'aiforge.v1.DatasetService/GetDatasetReport': 'train',
  'aiforge.v1.DatasetService/ListDatasetSamples': 'train',
  'aiforge.v1.FineTuningService/CreateFineTuningJob': 'train',
  'aiforge.v1.FineTuningService/ListFineTuningJobs': 'train',
  'aiforge.v1.FineTuningService/GetFineTuningJob': 'train',
  'aiforge.v1.FineTuningService/CancelFineTuningJob': 'train',
  'aiforge.v1.FineTuningService/PauseFineTuningJob': 'train',
  'aiforge.v1.FineTuningService/ResumeFineTuningJob': 'train',
  'aiforge.v1.FineTuningService/ListFineTuningEvents': 'train',
  'aiforge.v1.FineTuningService/ListFineTuningCheckpoints': 'train',
  'aiforge.v1.FleetService/ListAgents': 'train',
  'aiforge.v1.FleetService/GetAgent': 'train',
  'aiforge.v1.FleetService/WatchAgents': 'train',
  'aiforge.v1.FleetService/DrainAgent': 'admin',
  'aiforge.v1.FleetService/CordonAgent': 'admin',
  'aiforge.v1.FleetService/UncordonAgent': 'admin',
  'aiforge.v1.FleetService/RemoveAgent': 'admin',
  // Load balancers and supervisors ask, who have no key; it says what is up, and nothing of anybody's.
  'aiforge.v1.HealthService/GetHealth': 'open',
  'aiforge.v1.InferenceService/ListModels': 'inference',
  'aiforge.v1.InferenceService/Query': 'inference',
  'aiforge.v1.InferenceService/Chat': 'inference',
  'aiforge.v1.InferenceService/ChatStream': 'inference',
  'aiforge.v1.InferenceService/Complete': 'inference',
  'aiforge.v1.InferenceService/CompleteStream': 'inference',
  'aiforge.v1.InferenceService/Embed': 'inference',
  'aiforge.v1.JobService/CreateFineTune': 'train',
  'aiforge.v1.JobService/ListFineTunes': 'train',
  'aiforge.v1.JobService/GetJob': 'train',
  'aiforge.v1.JobService/PauseFineTune': 'train',
  'aiforge.v1.JobService/ResumeFineTune': 'train',
  'aiforge.v1.JobService/CancelFineTune': 'train',
  'aiforge.v1.JobService/Deploy': 'train',
  'aiforge.v1.JobService/Validate': 'train',
  'aiforge.v1.JobService/ListJobLogs': 'train',
  'aiforge.v1.JobService/WatchJobLogs': 'train',
  'aiforge.v1.JobService/WatchJob': 'train',
  'aiforge.v1.ProjectService/CreateProject': 'train',
  'aiforge.v1.ProjectService/ListProjects': 'train',
  'aiforge.v1.ProjectService/GetProject': 'train',
  'aiforge.v1.ProjectService/DeleteProject': 'train',
  'aiforge.v1.ProjectService/RollbackModel': 'train',
  'aiforge.v1.RetrainService/Retrain': 'train',
  'aiforge.v1.RetrainService/MonitorRetrain': 'train',
  'aiforge.v1.RetrainService/ListRetrains': 'train',
  'aiforge.v1.RetrainService/ListDecisions': 'train',
  'aiforge.v1.RetrainService/GetRetrain': 'train',
  'aiforge.v1.RetrainService/GetRetrainReport': 'train',
  'aiforge.v1.RetrainService/PauseRetrain': 'train',
  'aiforge.v1.RetrainService/ResumeRetrain': 'train',
  'aiforge.v1.RetrainService/CancelRetrain': 'train',
  'aiforge.v1.RetrainService/ApproveRetrain': 'train',
  'aiforge.v1.RetrainService/WatchRetrain': 'train',
  'grpc.health.v1.Health/Check': 'open',
  'grpc.health.v1.Health/List': 'open',
  // A stream, so that it takes a place.
  'grpc.health.v1.Health/Watch': 'keyless',
  // It tells the schema alone, but to nobody who has no business here.
  'grpc.reflection.v1.ServerReflection/ServerReflectionInfo': 'any',
  'grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo': 'any',
};

/** OpenAI's routes, the names of path fields left out. What is missing is `admin`. */
export const openAiNeeds: Readonly<Record<string, Need>> = {
  'POST /v1/chat/completions': 'inference',
  'POST /v1/completions': 'inference',
  'POST /v1/embeddings': 'inference',
  'POST /v1/responses': 'inference',
  'GET /v1/models': 'inference',
  'GET /v1/models/{}': 'inference',
  'DELETE /v1/models/{}': 'train',
  'POST /v1/files': 'train',
  'GET /v1/files': 'train',
  'GET /v1/files/{}': 'train',
  'GET /v1/files/{}/content': 'train',
  'DELETE /v1/files/{}': 'train',
  'POST /v1/fine_tuning/jobs': 'train',
  'GET /v1/fine_tuning/jobs': 'train',
  'GET /v1/fine_tuning/jobs/{}': 'train',
  'POST /v1/fine_tuning/jobs/{}/cancel': 'train',
  'POST /v1/fine_tuning/jobs/{}/pause': 'train',
  'POST /v1/fine_tuning/jobs/{}/resume': 'train',
  'GET /v1/fine_tuning/jobs/{}/events': 'train',
  'GET /v1/fine_tuning/jobs/{}/checkpoints': 'train',
};

/** Paths that neither a service nor OpenAI's routes have. What begins so is of this need. */
export const otherNeeds: readonly (readonly [start: string, need: Need])[] = [
  // They have a signature of their own.
  ['/v1/webhooks/', 'keyless'],
  ['/internal/blobs/', 'attempt'],
  ['/ws/training/', 'train'],
  // What the service can do, as its source says too; browsers open pages without a header.
  ['/openapi.json', 'open'],
  ['/docs', 'open'],
  ['/metrics', 'any'],
];

/** Key of `openAiNeeds` for a route. */
export function openAiRouteName(verb: string, path: string): string {
  return `${verb} ${path.replace(/\{[^}]*\}/g, '{}')}`;
}
