import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProcess } from './run-process.ts';
import type { Outcome, Unit } from './unit.ts';

/** The trainer's own tests, or some of its files, under pytest. */
export function pytestUnit(root: string, files: string[], env: NodeJS.ProcessEnv, limitMs: number): Unit {
  return {
    name: files.length === 0 ? 'gpu-agent/trainer (pytest)' : files.join(' '),
    async run() {
      const python = join(root, '.venv', 'bin', 'python');
      if (!existsSync(python)) return failure(`${python} is missing: node deploy/local/setup.mjs --for test`, 0);
      const dir = await mkdtemp(join(tmpdir(), 'forge-pytest-'));
      try {
        const xml = join(dir, 'result.xml');
        const args = ['-m', 'pytest', '-q', '-rs', '--color=no', '-p', 'no:cacheprovider', `--junitxml=${xml}`, ...files.map((file) => join(root, file))];
        const ended = await runProcess(python, args, { cwd: join(root, 'gpu-agent', 'trainer'), env, limitMs });
        const text = await readFile(xml, 'utf8').catch(() => '');
        const suite = /<testsuite [^>]*>/.exec(text)?.[0];
        if (suite === undefined) return failure(`pytest ${ended.timedOut ? `took longer than ${limitMs / 1000} s` : `ended with ${ended.status}`}\n${ended.stdout}\n${ended.stderr}`, ended.seconds);
        const count = (name: string): number => Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
        const bad = count('failures') + count('errors');
        const skips = [...text.matchAll(/<skipped [^>]*message="([^"]*)"/g)].map((m) => m[1]!);
        const passed = count('tests') - bad - count('skipped');
        const odd = bad === 0 && ended.status !== 0 ? 1 : 0;
        return { passed, failed: bad + odd, skips, report: `${ended.stdout}\n${ended.stderr}`.trim(), seconds: ended.seconds };
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    },
  };
}

function failure(report: string, seconds: number): Outcome {
  return { passed: 0, failed: 1, skips: [], report, seconds };
}
