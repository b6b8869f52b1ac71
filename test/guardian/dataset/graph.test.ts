import t from 'tap';
import { buildGraph } from '../../../guardian/dataset/graph/graph.ts';
import { parseFile } from '../../../guardian/dataset/parse/parse.ts';
import { sourceFile } from '../../../guardian/dataset/source-file.ts';

/** Imports as `from > to`, calls as `from:caller > to:called`. */
async function graphOf(files: Record<string, string>) {
  const studies = await Promise.all(Object.entries(files).map(async ([path, text]) => {
    const file = sourceFile(path, text);
    return { file, parsed: await parseFile(path, file.text, file.lines), start: 0 };
  }));
  const graph = await buildGraph(studies, async () => undefined);
  return {
    imports: [...graph.imports.map(({ from, to }) => `${from.file.path} > ${to.file.path}`), ...graph.packages.map(({ from, folder }) => `${from.file.path} > ${folder}/`)],
    unsure: [...graph.unsure],
    calls: graph.calls.map(({ from, call, to, target }) => `${from.file.path}:${call.from === undefined ? '' : from.parsed.definitions[call.from]!.qualifiedName} > ${to.file.path}:${target.qualifiedName}`),
  };
}

t.test('python: relative, absolute, from a src folder, and modules of a package', async (t) => {
  const { imports, calls } = await graphOf({
    'src/shop/__init__.py': '',
    'src/shop/doors.py': 'def open_door(a):\n    return a\n\ndef close(a):\n    return a\n',
    'src/shop/walls.py': 'from .doors import open_door\nfrom . import doors\nimport os\n\ndef paint(a):\n    os.close(a)\n    close(a)\n    return open_door(doors.close(a))\n',
    'tests/test_doors.py': 'import shop.doors\nfrom shop import walls as w\n\ndef test_it():\n    w.paint(1)\n',
  });
  t.same(imports, ['src/shop/walls.py > src/shop/doors.py', 'src/shop/walls.py > src/shop/doors.py', 'src/shop/walls.py > src/shop/__init__.py', 'tests/test_doors.py > src/shop/doors.py', 'tests/test_doors.py > src/shop/walls.py', 'tests/test_doors.py > src/shop/__init__.py']);
  t.same(calls.sort(), ['src/shop/walls.py:paint > src/shop/doors.py:close', 'src/shop/walls.py:paint > src/shop/doors.py:open_door', 'tests/test_doors.py:test_it > src/shop/walls.py:paint'], 'and a name that was not imported is not called');
});

t.test('javascript and typescript: endings left out or of another kind, and folders', async (t) => {
  const { imports, calls } = await graphOf({
    'lib/index.ts': "import { a } from './a.js';\nimport * as b from './b';\nimport x from 'outside';\nexport function run() {\n  a(1);\n  b.b(2);\n  c(3);\n  x.a(4);\n}\n",
    'lib/a.ts': 'export function a(n: number) {\n  return helper(n);\n}\nfunction helper(n: number) {\n  return n;\n}\n',
    'lib/b/index.js': "const { run } = require('..');\nexports.b = function b() {\n  return run();\n};\n",
    'lib/c.ts': 'export function c() {\n  return 1;\n}\nclass K {\n  one() {\n    return this.two();\n  }\n  two() {\n    return 2;\n  }\n}\n',
  });
  t.same(imports, ['lib/index.ts > lib/a.ts', 'lib/index.ts > lib/b/index.js', 'lib/b/index.js > lib/index.ts']);
  t.same(calls, ['lib/index.ts:run > lib/a.ts:a', 'lib/index.ts:run > lib/b/index.js:b', 'lib/a.ts:a > lib/a.ts:helper', 'lib/b/index.js:b > lib/index.ts:run', 'lib/c.ts:K.one > lib/c.ts:K.two']);
});

t.test('go: packages by folder and module path', async (t) => {
  const { imports, calls } = await graphOf({
    'go.mod': 'module example.org/shop\n\ngo 1.22\n',
    'door/door.go': 'package door\n\nfunc Open(a int) int {\n\treturn close(a)\n}\n',
    'door/more.go': 'package door\n\nfunc close(a int) int {\n\treturn a\n}\n',
    'main.go': 'package main\n\nimport (\n\t"fmt"\n\t"example.org/shop/door"\n)\n\nfunc main() {\n\tfmt.Println(door.Open(1))\n}\n',
  });
  t.same(imports, ['main.go > door/'], 'a package is imported, not its files');
  t.same(calls, ['door/door.go:Open > door/more.go:close', 'main.go:main > door/door.go:Open']);
});

t.test('rust: modules and paths from the crate', async (t) => {
  const { imports, calls } = await graphOf({
    'src/lib.rs': 'mod door;\npub mod wall;\n',
    'src/door.rs': 'use super::wall::paint;\n\npub fn open() {\n    paint();\n}\n',
    'src/wall/mod.rs': 'use crate::door::open;\nuse std::fmt;\n\npub fn paint() {\n    open();\n}\n',
  });
  t.same(imports, ['src/lib.rs > src/door.rs', 'src/lib.rs > src/wall/mod.rs', 'src/door.rs > src/wall/mod.rs', 'src/wall/mod.rs > src/door.rs']);
  t.same(calls, ['src/door.rs:open > src/wall/mod.rs:paint', 'src/wall/mod.rs:paint > src/door.rs:open']);
});

t.test('java: classes by package', async (t) => {
  const { imports, calls } = await graphOf({
    'app/src/main/java/a/Door.java': 'package a;\n\npublic class Door {\n  Door() {\n    new Key();\n  }\n}\n',
    'app/src/main/java/a/Key.java': 'package a;\n\nclass Key {\n}\n',
    'app/src/main/java/b/Shop.java': 'package b;\n\nimport a.Door;\nimport java.util.List;\n\nclass Shop {\n  void run() {\n    new Door();\n    check();\n  }\n}\n',
  });
  t.same(imports, ['app/src/main/java/b/Shop.java > app/src/main/java/a/Door.java']);
  t.same(calls, ['app/src/main/java/a/Door.java:Door.Door > app/src/main/java/a/Key.java:Key', 'app/src/main/java/b/Shop.java:Shop.run > app/src/main/java/a/Door.java:Door']);
});

t.test('c: includes beside, from include folders, or by the only name', async (t) => {
  const { imports, calls } = await graphOf({
    'include/shop/door.h': 'static inline int door_open(int a)\n{\n\treturn a;\n}\n',
    'src/main.c': '#include <stdio.h>\n#include <shop/door.h>\n#include "wall.h"\n\nint main(void)\n{\n\treturn door_open(wall_paint(1));\n}\n',
    'src/wall.h': 'static int wall_paint(int a)\n{\n\treturn a;\n}\n',
  });
  t.same(imports, ['src/main.c > include/shop/door.h', 'src/main.c > src/wall.h']);
  t.same(calls.sort(), ['src/main.c:main > include/shop/door.h:door_open', 'src/main.c:main > src/wall.h:wall_paint']);
});

t.test('javascript: a call is of what its import names, and of what is exported', async (t) => {
  const { calls, unsure } = await graphOf({
    'a.ts': "import { createLogger as make } from './logger.js';\nimport start, { type Kind, stop } from './run.js';\nimport { open, door } from './door.js';\nfunction go(hidden: () => void) {\n  logger();\n  make();\n  start();\n  stop();\n  open();\n  hidden();\n  door.hidden();\n}\n",
    'logger.js': 'export function createLogger() {\n  return 1;\n}\nexport function logger() {\n  return 1;\n}\n',
    'run.js': 'function stop() {\n  return 1;\n}\nexport { stop };\nexport default function run() {\n  return 1;\n}\n',
    'door.js': 'const door = {\n  open() {\n    return 1;\n  },\n  shut() {\n    return open();\n  },\n};\nexport function hidden() {\n  return 1;\n}\n',
    'b.cjs': "const { one: first, two } = require('./c.cjs');\nconst all = require('./c.cjs');\nfunction b() {\n  first();\n  two();\n  all.one();\n  all.three();\n}\n",
    'c.cjs': 'function one() {\n  return 1;\n}\nfunction two() {\n  return 1;\n}\nfunction three() {\n  return 1;\n}\nmodule.exports = { one, two };\n',
  });
  t.same(calls, ['a.ts:go > logger.js:createLogger', 'a.ts:go > run.js:run', 'a.ts:go > run.js:stop', 'b.cjs:b > c.cjs:one', 'b.cjs:b > c.cjs:two', 'b.cjs:b > c.cjs:one']);
  t.same(unsure.sort(), ['hidden', 'logger', 'open', 'require', 'three']);
});

t.test('python: renamed imports, and a class is no module', async (t) => {
  const { calls } = await graphOf({
    'a.py': 'from b import work as w, Shop\nfrom c import *\nimport b as other\n\ndef run():\n    w()\n    work()\n    Shop.work()\n    other.work()\n    paint()\n',
    'b.py': 'class Shop:\n    pass\n\ndef work():\n    return 1\n',
    'c.py': 'def paint():\n    return 1\n',
  });
  t.same(calls, ['a.py:run > b.py:work', 'a.py:run > b.py:work', 'a.py:run > c.py:paint']);
});

t.test('go: methods, and what another package hides, are not called by their names', async (t) => {
  const { calls } = await graphOf({
    'go.mod': 'module example.org/shop\n',
    'door/door.go': 'package door\n\ntype Door struct {\n\ta int\n}\n\nfunc (d Door) Open() int {\n\treturn 1\n}\n\nfunc hide() int {\n\treturn 1\n}\n\nfunc Wide() int {\n\treturn Open()\n}\n',
    'door/door_test.go': 'package door_test\n\nfunc testIt() {\n\thide()\n\tWide()\n}\n',
    'main.go': 'package main\n\nimport d "example.org/shop/door"\n\nfunc main() {\n\td.Open()\n\td.hide()\n\td.Wide()\n\tWide()\n}\n',
  });
  t.same(calls, ['main.go:main > door/door.go:Wide']);
});

t.test('a parameter or a variable hides what the file names so', async (t) => {
  const { calls } = await graphOf({
    'a.js': "import { open } from './b.js';\nfunction one(open) {\n  return open(1);\n}\nfunction two(list) {\n  const { shut, open } = list;\n  return open(1);\n}\nfunction three(list) {\n  for (const open of list) {\n    open(1);\n  }\n}\nfunction four(list) {\n  const a = open(list);\n  return open(a);\n}\nfunction five() {\n  return five();\n}\n",
    'b.js': 'export function open(a) {\n  return a;\n}\n',
    'c.py': 'def work():\n    return 1\n\ndef six(work):\n    return work()\n\ndef seven(a):\n    work = a\n    return work()\n\ndef eight(a):\n    total = work()\n    return work(total)\n',
  });
  t.same(calls, ['a.js:four > b.js:open', 'a.js:four > b.js:open', 'a.js:five > a.js:five', 'c.py:eight > c.py:work', 'c.py:eight > c.py:work']);
});

t.test('a folder of many files takes time by their number, not by its square', async (t) => {
  const text = (at: number): string => `package many\n\nfunc f${at}() {\n${Array.from({ length: 100 }, (_, line) => `\tunknown${line}()\n`).join('')}\tf${(at + 1) % 1000}()\n}\n`;
  const studies = await Promise.all(Array.from({ length: 1_000 }, async (_, at) => {
    const file = sourceFile(`many/f${at}.go`, text(at));
    return { file, parsed: await parseFile(file.path, file.text, file.lines), start: 0 };
  }));
  const started = performance.now();
  const { calls } = await buildGraph(studies, async () => undefined);
  t.equal(calls.length, 1_000);
  t.ok(performance.now() - started < 1_500, `${(performance.now() - started).toFixed(0)} ms`);
});
