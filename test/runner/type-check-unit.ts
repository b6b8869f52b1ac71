import { join } from 'node:path';
import { runProcess } from './run-process.ts';
import type { Unit } from './unit.ts';

/** The type checker over the whole project, as one test. */
export function typeCheckUnit(root: string, env: NodeJS.ProcessEnv, limitMs: number): Unit {
  return {
    name: 'type check (tsc)',
    async run() {
      const ended = await runProcess(process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '--noEmit', '--pretty', 'false'], { cwd: root, env, limitMs });
      const good = ended.status === 0 && !ended.timedOut;
      return { passed: good ? 1 : 0, failed: good ? 0 : 1, skips: [], report: `${ended.stdout}${ended.stderr}`, seconds: ended.seconds };
    },
  };
}
