/**
 * A real process that speaks the trainer's protocol with real files, quickly: steps, checkpoints every few, and a
 * result that tells which process made which step, so that a test sees what was resumed and what was lost.
 *
 * In the folder STEPPING_TRAINER_DIR a test may lay a file `die`, {"point", "step"}: the trainer that gets there first
 * removes it and kills itself with SIGKILL. `pid` holds the process id of the one that started last.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { heldAt } from './stepping-hold.mjs';

const stepMs = 8;
const [command, flag, configFile] = process.argv.slice(process.argv.indexOf('forge_trainer') + 1);
if (!['train', 'evaluate', 'export'].includes(command) || flag !== '--config') throw new Error(`no such command: ${process.argv.slice(2).join(' ')}`);
const config = JSON.parse(readFileSync(configFile, 'utf8'));
const dir = process.env.STEPPING_TRAINER_DIR;
const events = Number(process.env.FORGE_TRAINER_EVENTS_FD);
const say = (type, fields = {}) => writeSync(events, `${JSON.stringify({ type, ...fields })}\n`);
writeFileSync(join(dir, 'pid'), String(process.pid));

if (command !== 'train') {
  const { runFollowUp } = await import('./stepping-follow-ups.mjs');
  await runFollowUp(command, config, dir, say);
  process.exit(0);
}

/** Every byte of the data is read: a torn data set is a failure. */
const rows = readFileSync(config.train_file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
const first = createHash('sha256').update(JSON.stringify(rows)).digest('hex');
/** `chain` is what training comes to here: the hash of the state before and the number of the step. */
let state = config.resume_from === null ? { step: 0, chain: first, made: [] } : JSON.parse(readFileSync(join(config.resume_from, 'state.json'), 'utf8'));
const total = config.max_steps;
const loss = (step) => 5 - step / 10;

function dieAt(point) {
  let order;
  try {
    order = JSON.parse(readFileSync(join(dir, 'die'), 'utf8'));
  } catch {
    return;
  }
  if (order.point !== point || order.step !== state.step) return;
  rmSync(join(dir, 'die'));
  process.kill(process.pid, 'SIGKILL');
}

function saveCheckpoint() {
  const path = join(config.output_dir, `checkpoint-${state.step}`);
  const temporary = `${path}.tmp`;
  mkdirSync(temporary, { recursive: true });
  writeFileSync(join(temporary, 'weights.bin'), Buffer.alloc(4_096, state.step));
  dieAt('saving');
  writeFileSync(join(temporary, 'state.json'), JSON.stringify(state));
  renameSync(temporary, path);
  dieAt('saved');
  say('checkpoint', { path, step: state.step, epoch: state.step / total, loss: loss(state.step), seconds: 0.001 });
  dieAt('told');
}

createInterface({ input: process.stdin }).on('line', (line) => {
  if (JSON.parse(line).command === 'cancel') process.exit(76);
  if (state.step > 0) saveCheckpoint();
  say('stopped', { step: state.step });
  process.exit(75);
});

say('phase', { phase: 'loading' });
dieAt('loading');
say('plan', { total_steps: total });
say('phase', { phase: 'training' });
while (state.step < total) {
  await setTimeout(stepMs);
  const step = state.step + 1;
  state = { step, chain: createHash('sha256').update(`${state.chain} ${step}`).digest('hex'), made: [...state.made, { step, pid: process.pid }] };
  say('metrics', { step, epoch: step / total, loss: loss(step), learning_rate: 1e-4, grad_norm: 1, tokens_per_second: 100, eta_seconds: (total - step) / 100, tokens_seen: step * 10 });
  dieAt('step');
  if (step % config.checkpoint_every_steps === 0) saveCheckpoint();
  await heldAt(dir, 'train', step);
}
const adapter = join(config.output_dir, 'adapter');
mkdirSync(adapter, { recursive: true });
writeFileSync(join(adapter, 'state.json'), JSON.stringify({ ...state, first, seed: config.seed }));
dieAt('result');
say('result', { adapter_dir: adapter, final_loss: loss(total), steps: total, epochs: 1, tokens_seen: total * 10, seconds: 0.1, package_versions: { node: process.versions.node }, base_model_digest: 'c'.repeat(64) });
dieAt('end');
process.exit(0);
