const counts = new Map<string, number>();

/**
 * A place where a test can kill this process: `FORGE_FAULT=<point>:<n>` ends it with SIGKILL the n-th time it gets
 * to that point, so that no handler runs and nothing is flushed. Several are separated by commas. Without the
 * variable it does nothing.
 */
export function faultPoint(point: string): void {
  const wanted = process.env['FORGE_FAULT'];
  if (wanted === undefined || wanted === '') return;
  const count = (counts.get(point) ?? 0) + 1;
  counts.set(point, count);
  for (const fault of wanted.split(',')) {
    if (fault === `${point}:${count}`) process.kill(process.pid, 'SIGKILL');
  }
}
