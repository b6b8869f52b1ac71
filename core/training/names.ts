import { randomBytes } from 'node:crypto';
import { invalid } from '../errors.ts';

/** `job_YYYYMMDD_HHMMSS` of a time, UTC; `agent_...` for pipelines, `dataset_...` for datasets. */
export function jobIdAt(time: number, prefix: 'job' | 'agent' | 'dataset' = 'job'): string {
  const digits = new Date(time).toISOString().replace(/\D/g, '');
  return `${prefix}_${digits.slice(0, 8)}_${digits.slice(8, 14)}`;
}

/** For an id that is taken: 40 random bits more, not a search for a free one. */
export function withSuffix(jobId: string): string {
  return `${jobId}_${randomBytes(5).toString('hex')}`;
}

/**
 * Names become parts of subjects, of model names and of paths.
 * @throws ForgeError invalid_argument
 */
export function checkProjectName(name: string, field = 'project_name'): string {
  if (name === '') throw invalid(field, 'is required: letters, digits, ".", "_" and "-"');
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name) || name.includes('..')) {
    throw invalid(field, 'must begin with a letter or digit, hold only letters, digits, ".", "_" and "-", no "..", and at most 64 characters');
  }
  return name;
}

/**
 * A Hugging Face id, `ai-forge/starter`, or a local directory.
 * @throws ForgeError invalid_argument
 */
export function checkBaseModel(name: string): string {
  if (name.length > 512 || name === '' || name.includes('\0')) throw invalid('base_model', 'must be a Hugging Face id such as org/name, ai-forge/starter, or a local directory');
  const isPath = name.startsWith('/');
  if (!isPath && (!/^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/.test(name) || name.includes('..'))) {
    throw invalid('base_model', 'must be a Hugging Face id such as org/name, ai-forge/starter, or the absolute path of a local directory');
  }
  if (isPath && name.split('/').includes('..')) throw invalid('base_model', 'a local directory must not contain ".."');
  return name;
}

/** @throws ForgeError invalid_argument */
export function checkRevision(revision: string): string {
  if (!/^[\w][\w./-]{0,127}$/.test(revision) && revision !== '') throw invalid('revision', 'must be a branch, tag or commit of the base model');
  return revision;
}
