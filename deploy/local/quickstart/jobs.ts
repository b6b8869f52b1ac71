import type { Api } from './api.ts';

interface Job { job_id: string; status: string; project_name?: string }

const unfinished = ['queued', 'preparing', 'training'];
const cancelMs = 3_000;

/** Jobs that are there already: with one slot for training, a new one waits for them. */
export async function unfinishedJobs(api: Api): Promise<Job[]> {
  const pages = await Promise.all(unfinished.map((status) => api.get<{ jobs?: Job[] }>(`/v1/fine-tune?status=${status}&page_size=10`)));
  return pages.flatMap((page) => page.jobs ?? []);
}

/** Cancels a job whose user has gone; what cannot be cancelled (it is over, or nobody answers) stays as it is. */
export async function cancelJob(url: string, jobId: string): Promise<void> {
  try {
    const response = await fetch(new URL(`/v1/fine-tune/${jobId}/cancel`, url), { method: 'POST', signal: AbortSignal.timeout(cancelMs) });
    await response.body?.cancel();
  } catch { /* nobody answers */ }
}
