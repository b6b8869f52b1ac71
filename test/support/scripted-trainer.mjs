/**
 * A real process that speaks the trainer's protocol and does what the first row of its data says, so that the daemon
 * is tested in milliseconds. {"script": {steps, holdAt, loseAt, commit, error, crash, deaf, log}}: `holdAt` waits for orders
 * after that step, `loseAt` tells of a checkpoint that is gone, `deaf` heeds none; `holdIn` waits in the
 * phase `loading` or `evaluating`; `failAt` {step, code, message} fails
 * after that step. Where `--scripts <file>` names a list for each command, the next of it is done instead.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [command, , configFile, , scriptsFile] = process.argv.slice(2);
const config = JSON.parse(readFileSync(configFile, 'utf8'));
const events = Number(process.env.FORGE_TRAINER_EVENTS_FD);
const say = (type, fields = {}) => writeSync(events, `${JSON.stringify({ type, ...fields })}\n`);
const rows = command === 'train' ? config.train_file : command === 'evaluate' ? config.heldout_file : undefined;
const script = scriptsFile !== undefined ? nextScript() : rows === undefined ? {} : (JSON.parse(readFileSync(rows, 'utf8').split('\n')[0]).script ?? {});
let step = config.resume_from ? JSON.parse(readFileSync(join(config.resume_from, 'state.json'), 'utf8')).step : 0;

/** Takes it from its list; past its end nothing special is done. */
function nextScript() {
  const scripts = JSON.parse(readFileSync(scriptsFile, 'utf8'));
  const next = scripts[command]?.shift() ?? {};
  writeFileSync(scriptsFile, JSON.stringify(scripts));
  return next;
}

function saveCheckpoint() {
  const path = join(config.output_dir, `checkpoint-${step}`);
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, 'state.json'), JSON.stringify({ step }));
  if (script.loseAt === step) rmSync(path, { recursive: true });
  say('checkpoint', { path, step, epoch: step / 10, loss: 5 - step, seconds: 0.01 });
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const order = JSON.parse(line).command;
  if (script.deaf) return;
  if (order === 'cancel') process.exit(76);
  if (step > 0 && command === 'train') saveCheckpoint();
  say('stopped', { step });
  process.exit(75);
});
// The guard watches for the parent's death; end of file here is nothing to act on.
const alive = setInterval(() => {}, 1 << 30);

// A test looks at this process from outside.
process.stderr.write(`pid ${process.pid}\n`);
if (script.log) process.stderr.write(`${script.log}\n`);
say('phase', { phase: 'loading' });
if (script.holdIn === 'loading') await new Promise(() => {});
if (script.error) {
  say('error', script.error);
  process.exit(1);
}
const results = { train, evaluate, export: makeExport, starter };
const result = await results[command]();
if (result !== undefined) {
  say('result', result);
  clearInterval(alive);
  process.exit(0);
}

function train() {
  mkdirSync(config.output_dir, { recursive: true });
  const total = script.steps ?? 3;
  say('plan', { total_steps: total });
  say('phase', { phase: 'training' });
  while (step < total) {
    step += 1;
    say('metrics', { step, epoch: step / 10, loss: 5 - step, learning_rate: 1e-4, grad_norm: 1, tokens_per_second: 100, eta_seconds: total - step, tokens_seen: step * 10 });
    if (script.crash && step === script.crash.at) process.kill(process.pid, script.crash.signal);
    if (config.checkpoint_every_steps && step % config.checkpoint_every_steps === 0) saveCheckpoint();
    if (step === script.failAt?.step) {
      say('error', script.failAt);
      process.exit(1);
    }
    if (step === script.holdAt) return undefined;
  }
  if (script.holdIn === 'evaluating') {
    say('phase', { phase: 'evaluating' });
    return undefined;
  }
  const adapter = join(config.output_dir, 'adapter');
  mkdirSync(adapter, { recursive: true });
  const { TMPDIR, CUDA_DEVICE_ORDER, CUDA_VISIBLE_DEVICES } = process.env;
  writeFileSync(join(adapter, 'forge.json'), JSON.stringify({ base_model: config.base_model, resumed: config.resume_from !== null, batch: { batch_size: config.batch_size, gradient_accumulation: config.gradient_accumulation, order_batch_size: config.order_batch_size }, environment: { TMPDIR, CUDA_DEVICE_ORDER, CUDA_VISIBLE_DEVICES } }));
  writeFileSync(join(adapter, 'metrics.jsonl'), '{"step":1,"loss":4}\n');
  return { adapter_dir: adapter, final_loss: 5 - total, steps: total, epochs: 1, tokens_seen: total * 10, seconds: 0.1, package_versions: { torch: 'none' }, base_model_digest: 'c'.repeat(64), base_model_revision: script.commit, heldout: { loss: 1, perplexity: Math.E, tokens: 10, examples: 2 } };
}

function evaluate() {
  if (script.holdAt !== undefined) return undefined;
  mkdirSync(config.output_dir, { recursive: true });
  writeFileSync(join(config.output_dir, 'report.md'), `# ${config.title}\n`);
  writeFileSync(join(config.output_dir, 'config.json'), JSON.stringify(config));
  const bootstrap = { low: -0.1, high: 0.2, confidence: 0.95, samples: 10_000 };
  return {
    ...(config.reference ? { reference: { name: config.reference.name, loss: 1.5, perplexity: Math.exp(1.5), margin: 0.05, bootstrap, examples: 2, left_out: 0 } } : {}),
    ...(config.general_file ? { general: { name: 'set', digest: 'a'.repeat(64), tokens: 7, examples: 3, base: { loss: 0, perplexity: 4 }, adapters: { tuned: { loss: 0, perplexity: 5 } } } } : {}),
    tokens: 10, examples: 2, base: { loss: 2, perplexity: Math.exp(2) }, adapters: { tuned: { loss: 1, perplexity: Math.E, margin: 0.63, bootstrap: { low: 0.5, high: 0.7, confidence: 0.95, samples: 10_000 } } }, pairs: [],
  };
}

function makeExport() {
  mkdirSync(config.output_dir, { recursive: true });
  const gguf = Buffer.from(`GGUF ${config.gguf_quantization}`);
  const path = join(config.output_dir, 'model.Q4_K_M.gguf');
  writeFileSync(path, gguf);
  return { gguf_path: path, f16_path: path, gguf_sha256: createHash('sha256').update(gguf).digest('hex'), gguf_size: gguf.length, quantization: config.gguf_quantization, context_length: 1024, chat_template: 'x', stop_tokens: [], renderings: [] };
}

function starter() {
  mkdirSync(config.output_dir, { recursive: true });
  writeFileSync(join(config.output_dir, 'config.json'), JSON.stringify({ seconds: config.seconds, corpus: config.corpus_dirs.length }));
  return { model_dir: config.output_dir, digest: 'd'.repeat(64), parameters: 1, loss: 9, steps: 1, tokens_seen: 1, seconds: 1 };
}
