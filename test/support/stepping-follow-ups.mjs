/**
 * What the stepping trainer does after a training: evaluates by counting, and exports the model that the test has laid
 * into STEPPING_TRAINER_DIR/export. Both read all that they are given, take a moment, and heed a stop.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { heldAt } from './stepping-hold.mjs';

const pieces = 20;
const pieceMs = 8;

export async function runFollowUp(command, config, dir, say) {
  createInterface({ input: process.stdin }).on('line', (line) => process.exit(JSON.parse(line).command === 'cancel' ? 76 : 75));
  say('phase', { phase: 'loading' });
  say('phase', { phase: command === 'evaluate' ? 'evaluating' : 'exporting' });
  for (let piece = 1; piece <= pieces; piece++) {
    await setTimeout(pieceMs);
    say('progress', { fraction: piece / pieces, message: command });
    await heldAt(dir, command, piece);
  }
  if (command === 'evaluate') evaluate(config, dir, say);
  else exportModel(config, dir, say);
}

/** The figures are the test's own: `margin` in STEPPING_TRAINER_DIR/margin, else a fifth. */
function evaluate(config, dir, say) {
  const rows = readFileSync(config.heldout_file, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
  readFileSync(join(config.adapters.tuned, 'state.json'));
  let margin = 0.2;
  try {
    margin = Number(readFileSync(join(dir, 'margin'), 'utf8'));
  } catch {
    // As it is.
  }
  const bootstrap = { low: margin - 0.01, high: margin + 0.01, confidence: 0.95, samples: 100 };
  const base = { loss: 3, perplexity: Math.exp(3) };
  const tuned = { loss: 3 + Math.log(1 - margin), perplexity: Math.exp(3) * (1 - margin), margin, bootstrap };
  mkdirSync(config.output_dir, { recursive: true });
  writeFileSync(join(config.output_dir, 'report.md'), `# Evaluation\n\n${rows.length} examples\n`);
  const measured = {
    ...(config.reference ? { reference: { name: config.reference.name, loss: tuned.loss, perplexity: tuned.perplexity, margin: 0, bootstrap: { ...bootstrap, low: -0.01, high: 0.01 } } } : {}),
    ...(config.general_file ? { general: { name: 'stepping', digest: 'd'.repeat(64), tokens: 10, examples: 1, base, adapters: { tuned: base } } } : {}),
  };
  say('result', { tokens: rows.length * 10, examples: rows.length, base, adapters: { tuned }, pairs: [], ...measured });
}

function exportModel(config, dir, say) {
  readFileSync(join(config.adapter_dir, 'state.json'));
  mkdirSync(config.output_dir, { recursive: true });
  const gguf = join(config.output_dir, 'model.gguf');
  copyFileSync(join(dir, 'export', 'model.gguf'), gguf);
  const about = JSON.parse(readFileSync(join(dir, 'export', 'export.json'), 'utf8'));
  say('result', { ...about, gguf_path: gguf, gguf_sha256: createHash('sha256').update(readFileSync(gguf)).digest('hex'), quantization: config.gguf_quantization });
}
