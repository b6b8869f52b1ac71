const messages = [{ role: 'user', content: 'Explain this function.' }];
const model = 'my-project:latest';

/** A body to begin with, by operation; the others begin with whatever their schema suggests. */
export const bodyExamples: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  CreateFineTune: { project_name: 'my-project', base_model: 'ai-forge/starter', epochs: 3, learning_rate: 0.0002, rank: 64, use_pissa: true },
  Query: { prompt: 'What does the DataProcessor class do?', model, temperature: 0.7 },
  CreateDataset: { project_name: 'my-project' },
  CreateProject: { name: 'my-project', path: 'my-project', auto_deploy: true },
  Retrain: { project_path: '.', auto_deploy: true, force: false },
  CreateChatCompletion: { model, messages, temperature: 0.7, max_tokens: 500 },
  CreateCompletion: { model, prompt: 'def area(width, height):', max_tokens: 50 },
  CreateEmbeddings: { model, input: 'def area(width, height):' },
  CreateResponse: { model, input: 'Explain this function.', max_output_tokens: 500 },
  CreateFineTuningJob: { model: 'ai-forge/starter', training_file: 'file-abc123', suffix: 'my-project' },
};
