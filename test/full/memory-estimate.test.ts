import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { HyperparametersSchema, Quantization } from '../../core/gen/aiforge/v1/task_pb.ts';
import { readModelShape } from '../../core/model-files/read-shape.ts';
import { estimateMemory } from '../../core/training/memory-estimate.ts';
import { trainerDir } from '../../gpu-agent/run-trainer.ts';
import { makeFolder } from '../support/repository.ts';

const python = join(import.meta.dirname, '../../.venv/bin/python');
const run = promisify(execFile);
/** The estimate may be wrong by so much, either way. */
const factor = 1.5;

t.test('what a training on a CPU takes is near its estimate', { timeout: 800_000 }, async (t) => {
  if (!existsSync(python)) return t.fail(`${python} is missing: node deploy/local/setup.mjs --for test`);
  const dir = await makeFolder(t);
  const env = { ...process.env, PYTHONPATH: trainerDir, OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1', FORGE_TRAINER_EVENTS_FD: '1' };
  // Each row is longer than any sequence length here.
  const rows = Array.from({ length: 12 }, (_, n) => JSON.stringify({ messages: [{ role: 'user', content: `Complete f${n}` }, { role: 'assistant', content: Array.from({ length: 200 }, (_, k) => `value_${n}_${k} = ${k} * ${n};`).join(' ') }] }));
  await writeFile(join(dir, 'train.jsonl'), `${rows.join('\n')}\n`);
  await writeFile(join(dir, 'heldout.jsonl'), `${rows.slice(0, 2).join('\n')}\n`);
  const bases = { small: [64, 128, 2], large: [512, 1536, 8] } as const;
  for (const [name, sides] of Object.entries(bases)) await run(python, [join(import.meta.dirname, '../support/make_base.py'), join(dir, name), ...sides.map(String)], { cwd: trainerDir, env });

  /** Trains for real. @returns what was estimated and the process's peak, in bytes */
  async function measure(base: keyof typeof bases, rank: number, maxSeqLength: number, batchSize: number, usePissa: boolean) {
    const config = join(dir, 'train.json');
    await writeFile(config, JSON.stringify({ base_model: join(dir, base), train_file: join(dir, 'train.jsonl'), heldout_file: join(dir, 'heldout.jsonl'), output_dir: join(dir, 'out'), rank, max_seq_length: maxSeqLength, batch_size: batchSize, gradient_accumulation: 1, use_pissa: usePissa, max_steps: 2, checkpoint_every_steps: 1, device: 'cpu', threads: 1 }));
    const { stdout } = await run(python, ['-m', 'forge_trainer', 'train', '--config', config], { cwd: trainerDir, env, maxBuffer: 1 << 24 });
    const { peak_memory_bytes: measured } = JSON.parse(stdout.trim().split('\n').at(-1)!) as { peak_memory_bytes: number };
    const estimated = estimateMemory((await readModelShape(join(dir, base)))!, create(HyperparametersSchema, { rank, maxSeqLength, batchSize, usePissa, quantization: Quantization.QUANTIZATION_NONE }), 'cpu')!;
    return { estimated, measured };
  }
  // Python and its libraries alone, more or less: what is beyond that is the training's.
  const idle = await measure('small', 8, 128, 1, false);
  for (const [rank, tokens, batch, pissa] of [[64, 512, 1, false], [16, 256, 4, false], [256, 128, 1, true]] as const) {
    const one = await measure('large', rank, tokens, batch, pissa);
    const growth = { estimated: one.estimated - idle.estimated, measured: one.measured - idle.measured };
    const ratio = growth.estimated / growth.measured;
    t.ok(ratio < factor && ratio > 1 / factor, `rank ${rank}, ${batch} x ${tokens} tokens${pissa ? ', PiSSA' : ''}: ${(growth.measured / 2 ** 20).toFixed(0)} MiB, estimated ${ratio.toFixed(2)} times that`);
    const whole = one.estimated / one.measured;
    t.ok(whole < factor && whole > 1 / factor, `of the whole process: ${whole.toFixed(2)}`);
  }
});
