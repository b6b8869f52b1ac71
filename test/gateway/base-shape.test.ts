import { execFileSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import t from 'tap';
import { baseModelAggregate } from '../../core/base-model/base-model.ts';
import { ModelShapeSchema, TrainSpecSchema } from '../../core/gen/aiforge/v1/task_pb.ts';
import { readModelShape } from '../../core/model-files/read-shape.ts';
import { knownShape, readBaseShape } from '../../gateway/jobs/base-shape.ts';
import { safetensors, writeModelFolder } from '../support/model-folder.ts';

const spec = (baseModel: string, revision = '') => create(TrainSpecSchema, { baseModel, revision });
const shape = { parameters: 8000n + 4n * 64n, hiddenSize: 8, layers: 2, vocabulary: 1000 };

t.test('the size of a base model: of a folder, and of what the hub’s cache holds', async (t) => {
  const dir = t.testdir();
  const [main, older] = ['a'.repeat(40), 'b'.repeat(40)];
  const model = join(dir, 'hub/models--owner--name');
  await writeModelFolder(join(model, 'snapshots', main), { hidden: 8, layers: 2 });
  await writeModelFolder(join(model, 'snapshots', older), { hidden: 8, layers: 1 });
  await mkdir(join(model, 'refs'));
  await writeFile(join(model, 'refs/main'), `${main}\n`);
  t.match(await readBaseShape(spec(join(model, 'snapshots', main))), shape);
  const env = { HF_HOME: dir };
  t.match(await readBaseShape(spec('owner/name'), env), shape);
  t.match(await readBaseShape(spec('owner/name', older), env), { layers: 1 }, 'by its commit');
  t.equal(await readBaseShape(spec('owner/name', 'dev'), env), undefined, 'a branch that is not in the cache');
  t.equal(await readBaseShape(spec('owner/other'), env), undefined);
  t.equal(await readBaseShape(spec('ai-forge/starter'), env), undefined);
});

t.test('files that do not say it: nothing is known, and nothing hangs', async (t) => {
  const dir = join(t.testdir(), 'model');
  const wrong: [string, string, string | Buffer | undefined][] = [
    ['no config', 'config.json', undefined],
    ['no JSON', 'config.json', '{'],
    ['no header', 'model.safetensors', 'x'],
    ['a header that is cut off', 'model.safetensors', safetensors('{}', 100n)],
    ['a header of absurd length', 'model.safetensors', safetensors('{}', 1n << 60n)],
    ['a header that is no JSON', 'model.safetensors', safetensors('{,}')],
    ['a tensor without a form', 'model.safetensors', safetensors('{"model.layers.0.q_proj.weight": {"shape": ["8", 8]}}')],
    ['no weights', 'model.safetensors', undefined],
  ];
  for (const [what, name, contents] of wrong) {
    await rm(dir, { recursive: true, force: true });
    await writeModelFolder(dir, { hidden: 8, layers: 2 });
    t.ok(await readModelShape(dir));
    await (contents === undefined ? rm(join(dir, name)) : writeFile(join(dir, name), contents));
    t.equal(await readModelShape(dir), undefined, what);
  }
  for (const name of ['config.json', 'model.safetensors']) {
    await writeModelFolder(dir, { hidden: 8, layers: 2 });
    await rm(join(dir, name));
    execFileSync('mkfifo', [join(dir, name)]);
    t.equal(await readModelShape(dir), undefined, `${name} is a pipe that nobody writes to`);
    await rm(join(dir, name));
  }
});

t.test('what is known of a job’s base model: what was read for it, else what its pin says', async (t) => {
  const own = create(ModelShapeSchema, shape);
  const pinned = create(ModelShapeSchema, { ...shape, layers: 9 });
  const base = baseModelAggregate.evolve(baseModelAggregate.initialState, baseModelAggregate.decide({ type: 'pin', baseModel: 'ai-forge/starter', treeDigest: 'a', baseModelDigest: 'b', shape: pinned }, baseModelAggregate.initialState)[0]!, { id: 'x', time: 1, sequence: 1 });
  const ledger = { head: () => ({ state: base }) } as never;
  t.match(knownShape(spec('ai-forge/starter'), ledger), { layers: 9 });
  t.match(knownShape(create(TrainSpecSchema, { baseModel: 'm', baseModelShape: own }), ledger), { layers: 2 });
  t.equal(knownShape(spec('m'), { head: () => ({ state: baseModelAggregate.initialState }) } as never), undefined);
});
