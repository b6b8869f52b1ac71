import { readdir } from 'node:fs/promises';
import { metricText } from './exposition.ts';

/** This process, by the names that Prometheus' own clients use. */
export async function processText(): Promise<string> {
  const { user, system } = process.cpuUsage();
  const memory = process.memoryUsage();
  const files = await readdir('/proc/self/fd').then((all) => all.length, () => undefined);
  return [
    metricText('counter', 'process_cpu_seconds_total', 'CPU time, user and system.', [[{}, (user + system) / 1e6]]),
    metricText('gauge', 'process_resident_memory_bytes', 'Memory that is in use.', [[{}, memory.rss]]),
    metricText('gauge', 'process_start_time_seconds', 'Unix time of the start.', [[{}, Math.round(performance.timeOrigin) / 1000]]),
    // Where there is no /proc it is not known.
    metricText('gauge', 'process_open_fds', 'Open files and connections.', files === undefined ? [] : [[{}, files]]),
    metricText('gauge', 'nodejs_heap_used_bytes', 'JavaScript’s memory in use.', [[{}, memory.heapUsed]]),
    metricText('gauge', 'nodejs_external_memory_bytes', 'Buffers and other memory outside the heap.', [[{}, memory.external]]),
  ].join('');
}
