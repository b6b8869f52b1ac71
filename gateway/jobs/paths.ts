import { join, relative, isAbsolute } from 'node:path';

/** Files of a job that people look at: copies of what lies in the blob store. */
export function jobPaths(jobsDir: string, jobId: string) {
  return { export: join(jobsDir, jobId, 'export'), validation: join(jobsDir, jobId, 'validation') };
}

/** As it is shown: relative to where the service was started where that is shorter. */
export function shownPath(path: string, cwd = process.cwd()): string {
  const near = relative(cwd, path);
  return near.startsWith('..') || isAbsolute(near) ? path : `./${near}`;
}
