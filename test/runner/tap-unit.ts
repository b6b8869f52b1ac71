import { join } from 'node:path';
import { runProcess } from './run-process.ts';
import { summarizeTap } from './tap-output.ts';
import type { Unit } from './unit.ts';

/** A TypeScript test file, run by this Node itself. */
export function tapUnit(root: string, file: string, env: NodeJS.ProcessEnv, limitMs: number): Unit {
  return {
    name: file,
    async run() {
      const ended = await runProcess(process.execPath, [join(root, file)], { cwd: root, env: { ...env, TAP_TIMEOUT: String(Math.ceil(limitMs / 1000)) }, limitMs });
      const tap = summarizeTap(ended.stdout);
      const problems: string[] = [];
      if (ended.timedOut) problems.push(`took longer than ${limitMs / 1000} s and was ended`);
      else if (tap.problem !== undefined) problems.push(tap.problem);
      else if (ended.status !== 0 && tap.failed === 0) problems.push(`ended with status ${ended.status ?? 'of a signal'} though no test failed`);
      if (problems.length === 0 && tap.passed + tap.failed + tap.skips.length === 0) problems.push('has no test');
      if (ended.leftBehind.length > 0) problems.push(`left processes behind: ${ended.leftBehind.join('; ')}`);
      const report = [
        ...problems.map((problem) => `${file} ${problem}`),
        ...tap.failures,
        ...(ended.timedOut || (tap.problem !== undefined && tap.failures.length === 0) ? [`--- output\n${ended.stdout.slice(-8_000).trimEnd()}`] : []),
        ...(ended.stderr.trim() === '' ? [] : [`--- stderr\n${ended.stderr.slice(-8_000).trimEnd()}`]),
      ].join('\n');
      return { passed: tap.passed, failed: tap.failed + problems.length, skips: tap.skips, report, seconds: ended.seconds };
    },
  };
}
