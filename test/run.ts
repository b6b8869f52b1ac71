// Runs all tests and ends with the one line `N passed, N failed` (`, N skipped`), and a status that fits it.
// `npm test` leaves out test/full; `npm run test:full` (or `npm test -- --full`) does not. Files can be named.
import { resolve } from 'node:path';
import { parseArguments, type Wanted } from './runner/arguments.ts';
import { pytestUnit } from './runner/pytest-unit.ts';
import { killRunning } from './runner/run-process.ts';
import { tapUnit } from './runner/tap-unit.ts';
import { typeCheckUnit } from './runner/type-check-unit.ts';
import type { Outcome, Unit } from './runner/unit.ts';

const root = resolve(import.meta.dirname, '..');
const fileLimitMs = 5 * 60_000;
const longLimitMs = 25 * 60_000;

/** Settings of whoever runs the tests must not change what is tested; hooks of the tests themselves pass. */
function testEnvironment(full: boolean): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [key, value] of Object.entries(process.env)) {
    if (!key.startsWith('FORGE_') || key === 'FORGE_REQUIRE_OLLAMA') env[key] = value;
  }
  if (full) env['FORGE_TEST_LONG'] = '1';
  return env;
}

function unitsOf(wanted: Wanted): Unit[] {
  const env = testEnvironment(wanted.full);
  const long = (file: string): boolean => file.startsWith('test/full/');
  const units = wanted.tapFiles.map((file) => tapUnit(root, file, env, long(file) ? longLimitMs : fileLimitMs));
  // The longest ones first, so that the two lanes end together.
  if (wanted.everything || wanted.pythonFiles.length > 0) units.unshift(pytestUnit(root, wanted.pythonFiles, env, longLimitMs));
  if (wanted.everything) units.push(typeCheckUnit(root, env, fileLimitMs));
  return units;
}

function show(unit: Unit, outcome: Outcome): void {
  const counts = [`${outcome.passed} passed`, ...(outcome.failed > 0 ? [`${outcome.failed} failed`] : []), ...(outcome.skips.length > 0 ? [`${outcome.skips.length} skipped`] : [])];
  console.log(`${outcome.failed > 0 ? 'FAIL' : 'ok  '} ${unit.name}: ${counts.join(', ')} (${outcome.seconds.toFixed(1)} s)`);
  for (const skip of outcome.skips) console.log(`     skipped: ${skip}`);
  if (outcome.failed > 0) console.log(`${outcome.report.replace(/^/gm, '     ')}\n`);
}

async function main(): Promise<void> {
  const wanted = parseArguments(process.argv.slice(2), root, process.cwd());
  const waiting = unitsOf(wanted);
  const total = { passed: 0, failed: 0, skipped: 0 };
  const lane = async (): Promise<void> => {
    for (let unit = waiting.shift(); unit !== undefined; unit = waiting.shift()) {
      const outcome = await unit.run();
      total.passed += outcome.passed;
      total.failed += outcome.failed;
      total.skipped += outcome.skips.length;
      show(unit, outcome);
    }
  };
  await Promise.all(Array.from({ length: wanted.jobs }, lane));
  if (total.passed + total.failed === 0) {
    console.log('no test ran');
    total.failed = 1;
  }
  console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
  process.exitCode = total.failed > 0 ? 1 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => { killRunning(); process.exit(130); });
}
await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
});
