import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import t from 'tap';
import { importsOf, packageName, readSourceGraph } from './source-graph.ts';

const root = resolve(import.meta.dirname, '../..');
const graph = await readSourceGraph(root);

/** Who may import whom: `core/gen` <- `core` <- services <- deploy, test. Services meet in protos, events and core. */
const allowed: Record<string, readonly string[]> = {
  'core/gen': ['core/gen'],
  core: ['core/gen', 'core'],
  gateway: ['core/gen', 'core', 'gateway'],
  'gpu-agent': ['core/gen', 'core', 'gpu-agent'],
  guardian: ['core/gen', 'core', 'guardian'],
  deploy: ['core/gen', 'core', 'gateway', 'gpu-agent', 'guardian', 'deploy'],
  test: ['core/gen', 'core', 'gateway', 'gpu-agent', 'guardian', 'deploy', 'test'],
};

function room(file: string): string {
  return file.startsWith('core/gen/') ? 'core/gen' : file.slice(0, file.indexOf('/'));
}

function forbidden(file: string, target: string): boolean {
  return !allowed[room(file)]!.includes(room(target));
}

t.test('imports go in one direction', async (t) => {
  const wrong: string[] = [];
  for (const [file, imports] of graph) {
    for (const { target, relative } of imports) if (relative && forbidden(file, target)) wrong.push(`${file} imports ${target}`);
  }
  t.same(wrong, []);
  t.ok(graph.size > 100, `${graph.size} files were looked at`);
  for (const name of Object.keys(allowed)) t.ok([...graph.keys()].some((file) => room(file) === name), `${name} has files`);
});

t.test('what is forbidden would be noticed', async (t) => {
  t.ok(forbidden('core/errors.ts', 'gateway/method.ts'));
  t.ok(forbidden('gateway/port.ts', 'guardian/main.ts'));
  t.ok(forbidden('gpu-agent/main.ts', 'gateway/port.ts'));
  t.ok(forbidden('guardian/main.ts', 'test/run.ts'));
  t.ok(forbidden('core/gen/a_pb.ts', 'core/errors.ts'));
  const text = "import type { A } from '../a.ts';\nimport { b, type C } from 'ws';\nexport * from './d.ts';\nconst e = await import('node:fs');\n";
  t.same(importsOf('core/task/x.ts', text), [
    { target: 'core/a.ts', relative: true, typeOnly: true },
    { target: 'ws', relative: false, typeOnly: false },
    { target: 'core/task/d.ts', relative: true, typeOnly: false },
    { target: 'node:fs', relative: false, typeOnly: false },
  ]);
});

t.test('the aggregates are pure: nothing that they reach does I/O', async (t) => {
  const pure = ['core/task/', 'core/pipeline/', 'core/project/', 'core/model/', 'core/idempotency/', 'core/base-model/', 'core/file/', 'core/training-file/', 'core/agent/'];
  // Hashing has no effect outside; everything else of Node's has.
  const harmless = new Set(['node:crypto', 'node:assert']);
  const reached = new Set<string>();
  const wrong: string[] = [];
  const visit = (file: string, from: string): void => {
    if (reached.has(file)) return;
    reached.add(file);
    for (const { target, relative, typeOnly } of graph.get(file) ?? []) {
      if (typeOnly) continue;
      if (relative) visit(target, from);
      else if (packageName(target) !== '@bufbuild/protobuf' && !harmless.has(target)) wrong.push(`${from} reaches ${target} by ${file}`);
    }
  };
  for (const folder of pure) {
    const files = [...graph.keys()].filter((file) => file.startsWith(folder));
    t.ok(files.length > 0, `${folder} has files`);
    for (const file of files) visit(file, file);
  }
  t.same(wrong, []);
});

t.test('no file reaches itself when the program runs', async (t) => {
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) return void cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
    if (done.has(file)) return;
    for (const { target, relative, typeOnly } of graph.get(file) ?? []) if (relative && !typeOnly) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  t.same(cycles, []);
});

t.test('what runs imports only what is installed for running', async (t) => {
  const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  const wrong: string[] = [];
  for (const [file, imports] of graph) {
    if (room(file) === 'test') continue;
    for (const { target, relative, typeOnly } of imports) {
      if (!relative && !typeOnly && !target.startsWith('node:') && !Object.hasOwn(dependencies, packageName(target))) wrong.push(`${file} imports ${target}`);
    }
  }
  t.same(wrong, []);
});
