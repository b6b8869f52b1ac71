import t from 'tap';
import { parseFile } from '../../../guardian/dataset/parse/parse.ts';
import { sectionsOf } from '../../../guardian/dataset/parse/sections.ts';

async function parse(path: string, text: string) {
  const lines = text.split('\n');
  const parsed = await parseFile(path, text, lines);
  return {
    broken: parsed.broken,
    /** Kind, qualified name, first line of the body, and the documentation's lines. */
    definitions: parsed.definitions.map(({ kind, qualifiedName, body, end, doc }) => [kind, qualifiedName, body < end ? lines[body]!.trim() : '', doc === undefined ? '' : lines.slice(doc.start, doc.end).map((line) => line.trim()).join(' ')]),
    imports: parsed.imports.map(({ specifier, line }) => [specifier, line + 1]),
    calls: parsed.calls.map(({ name, receiver, from }) => `${from === undefined ? '' : parsed.definitions[from]!.qualifiedName} -> ${receiver === undefined ? '' : `${receiver}.`}${name}`),
  };
}

t.test('python', async (t) => {
  const text = `"""A module."""
import os, sys as system
from .doors import Door as D, open_door

@register
class Shop(Base):
    """A shop.

    Sells.
    """

    @property
    def size(self) -> int:
        "How many."
        return len(self.items) + self.count()

# Runs it.
async def run(a):
    def inner():
        return os.getcwd()
    return open_door(a)

def short(a): return a
`;
  t.same(await parse('shop/a.py', text), {
    broken: false,
    definitions: [
      ['class', 'Shop', '', '"""A shop.  Sells. """'],
      ['method', 'Shop.size', 'return len(self.items) + self.count()', '"How many."'],
      ['function', 'run', 'def inner():', '# Runs it.'],
      ['function', 'run.inner', 'return os.getcwd()', ''],
      ['function', 'short', 'def short(a): return a', ''],
    ],
    imports: [['os', 2], ['sys', 2], ['.doors', 3]],
    calls: ['Shop.size -> len', 'Shop.size -> self.count', 'run.inner -> os.getcwd', 'run -> open_door'],
  });
});

const javascript = `import { sum } from './sum.js';
const other = require('./other');
export * from './more.js';

/** Adds. */
export async function add(a, b) {
  return sum(a, b);
}
export const twice = (a) => {
  return other.times(a, 2);
};
/**
 * A shop.
 */
class Shop extends Base {
  size() {
    return this.count();
  }
}
exports.open = function () {
  return new Shop();
};
`;
const javascriptFound = {
  broken: false,
  definitions: [
    ['function', 'add', 'return sum(a, b);', '/** Adds. */'],
    ['function', 'twice', 'return other.times(a, 2);', ''],
    ['class', 'Shop', 'size() {', '/** * A shop. */'],
    ['method', 'Shop.size', 'return this.count();', ''],
    ['function', 'open', 'return new Shop();', ''],
  ],
  imports: [['./sum.js', 1], ['./other', 2], ['./more.js', 3]],
  calls: [' -> require', 'add -> sum', 'twice -> other.times', 'Shop.size -> this.count', 'open -> Shop'],
};

t.test('javascript, typescript and their forms with markup', async (t) => {
  for (const path of ['a.js', 'a.mjs', 'a.jsx', 'a.ts', 'a.cts', 'a.tsx']) t.same(await parse(path, javascript), javascriptFound, path);
  const markup = 'export function View({ name }) {\n  return <b title="x">{show(name)}</b>;\n}\n';
  for (const path of ['a.jsx', 'a.tsx']) t.same((await parse(path, markup)).calls, ['View -> show'], path);
  const types = 'export interface Door {\n  open(): void;\n}\nexport type Key = string | number;\nexport enum Side {\n  left,\n}\nabstract class Wall<T> {\n  private paint = async (a: T): Promise<void> => {\n    await brush(a);\n  };\n}\n';
  for (const path of ['a.ts', 'a.tsx']) {
    t.same((await parse(path, types)).definitions.map(([kind, name]) => [kind, name]), [['type', 'Door'], ['type', 'Key'], ['type', 'Side'], ['class', 'Wall'], ['method', 'Wall.paint']], path);
  }
});

t.test('go', async (t) => {
  const text = 'package shop\n\nimport (\n\t"fmt"\n\td "example.org/shop/door"\n)\n\n// Shop sells.\ntype Shop struct {\n\tName string\n}\n\n// Open opens\n// it.\nfunc (s *Shop[T]) Open(a int) error {\n\treturn d.Open(a)\n}\n\nfunc run() {\n\tfmt.Println(helper())\n}\n';
  t.same(await parse('a.go', text), {
    broken: false,
    definitions: [['type', 'Shop', 'Name string', '// Shop sells.'], ['method', 'Shop.Open', 'return d.Open(a)', '// Open opens // it.'], ['function', 'run', 'fmt.Println(helper())', '']],
    imports: [['fmt', 4], ['example.org/shop/door', 5]],
    calls: ['Shop.Open -> d.Open', 'run -> fmt.Println', 'run -> helper'],
  });
});

t.test('the last line needs no end', async (t) => {
  for (const [path, text] of [['a.go', 'package a\n\nvar one = 1'], ['a.py', 'def f(a):\n    return a'], ['a.c', '#include "a.h"'], ['a.rs', '// end'], ['a.js', 'f()']] as const) t.notOk((await parse(path, text)).broken, path);
});

t.test('rust', async (t) => {
  const text = 'use crate::door::{self, Door};\nmod wall;\n\n/// A shop.\n#[derive(Debug)]\npub struct Shop {\n    a: u8,\n}\n\nimpl<T> Seller for Shop<T> {\n    /// Opens.\n    pub fn open(&self) -> u8 {\n        self.close(); door::open(1)\n    }\n}\n\nmod tests {\n    fn works() {\n        check();\n    }\n}\n';
  t.same(await parse('src/a.rs', text), {
    broken: false,
    definitions: [
      ['type', 'Shop', 'a: u8,', '/// A shop.'], ['scope', 'Shop', '/// Opens.', ''], ['method', 'Shop::open', 'self.close(); door::open(1)', '/// Opens.'],
      ['module', 'tests', 'fn works() {', ''], ['function', 'tests::works', 'check();', ''],
    ],
    imports: [['crate::door::{self, Door}', 1], ['wall', 2]],
    calls: ['Shop::open -> self.close', 'Shop::open -> door.open', 'tests::works -> check'],
  });
});

t.test('java', async (t) => {
  const text = 'package a.b;\n\nimport a.c.Door;\n\n/** A shop. */\n@Named\npublic class Shop {\n  Shop(String name) {\n    open(name);\n  }\n\n  @Override\n  public int size() {\n    return Door.count(new Door());\n  }\n\n  interface Part {\n    int a();\n  }\n}\n';
  t.same(await parse('Shop.java', text), {
    broken: false,
    definitions: [['class', 'Shop', 'Shop(String name) {', '/** A shop. */'], ['method', 'Shop.Shop', 'open(name);', ''], ['method', 'Shop.size', 'return Door.count(new Door());', ''], ['type', 'Shop.Part', 'int a();', '']],
    imports: [['a.c.Door', 3]],
    calls: ['Shop.Shop -> open', 'Shop.size -> Door.count', 'Shop.size -> Door'],
  });
});

t.test('c and c++', async (t) => {
  const c = '#include <stdio.h>\n#include "door.h"\n\n/* Adds. */\nstatic int *add(int a)\n{\n\treturn sum(a);\n}\n\nstruct shop {\n\tint a;\n};\n\ntypedef struct {\n\tint b;\n} part;\n';
  t.same(await parse('a.c', c), {
    broken: false,
    definitions: [['function', 'add', 'return sum(a);', '/* Adds. */'], ['type', 'shop', 'int a;', ''], ['type', 'part', 'int b;', '']],
    imports: [['stdio.h', 1], ['door.h', 2]],
    calls: ['add -> sum'],
  });
  const cpp = '#include "shop.hpp"\nnamespace shops {\nclass Shop {\n public:\n  void open() {\n    close();\n  }\n};\n/// Counts.\nint Shop::size() const {\n  return count();\n}\n}\n';
  for (const path of ['a.cpp', 'a.hpp', 'a.h']) {
    t.same((await parse(path, cpp)).definitions.map(([kind, name, , doc]) => [kind, name, doc]), [['module', 'shops', ''], ['class', 'shops::Shop', ''], ['method', 'shops::Shop::open', ''], ['method', 'Shop::size', '/// Counts.']], path);
  }
});

t.test('imports that are easily missed', async (t) => {
  t.same((await parse('a.py', 'from __future__ import annotations\nfrom .a import (\n    b,\n)\n')).imports, [['__future__', 1], ['.a', 2]]);
  for (const path of ['a.js', 'a.ts', 'a.tsx']) t.same((await parse(path, "import {\n  a,\n} from './a.js';\nconst b = await import('./b.js');\n")).imports, [['./a.js', 3], ['./b.js', 4]], path);
});

t.test('c and c++: names behind pointers, destructors and operators', async (t) => {
  const named = async (path: string, text: string) => (await parse(path, text)).definitions.map(([kind, name]) => `${kind} ${name}`);
  t.same(await named('a.c', 'char **bar(void)\n{\n\treturn 0;\n}\nint *const *baz(int a)\n{\n\treturn 0;\n}\nint (*pick(int a))(int)\n{\n\treturn 0;\n}\n'), ['function bar', 'function baz']);
  const text = 'struct A {\n  A() {\n    f();\n  }\n  ~A() {\n    f();\n  }\n  bool operator==(const A& o) const {\n    return true;\n  }\n  A &self() {\n    return *this;\n  }\n};\nA::~A() {\n  f();\n}\nstd::string &A::get() {\n  return x;\n}\nbool operator<(const A& a, const A& b) {\n  return true;\n}\ntemplate <class T> T **make() {\n  return 0;\n}\n';
  t.same(await named('a.cpp', text), ['type A', 'method A::A', 'method A::~A', 'method A::operator==', 'method A::self', 'method A::~A', 'method A::get', 'function operator<', 'function make']);
});

t.test('what speaks to a tool, and a private field, are no documentation', async (t) => {
  const docs = async (path: string, text: string) => (await parse(path, text)).definitions.map(([, name, , doc]) => `${name}: ${doc}`);
  t.same(await docs('a.js', 'class A {\n  #count = 0;\n  size() {\n    return 1;\n  }\n}\n// eslint-disable-next-line no-x\nfunction a() {\n  return 1;\n}\n// Says.\n// @ts-ignore\nfunction b() {\n  return 1;\n}\n/* eslint-disable */\n/** Says more. */\nfunction c() {\n  return 1;\n}\n// Of the file.\n// @ts-ignore\n// Of d.\nfunction d() {\n  return 1;\n}\n'), ['A: ', 'A.size: ', 'a: ', 'b: // Says.', 'c: /** Says more. */', 'd: // Of d.']);
  t.same(await docs('a.go', 'package a\n\n//go:noinline\nfunc a() {\n}\n\n// Says.\n//nolint:all\nfunc b() {\n}\n'), ['a: ', 'b: // Says.']);
  t.same(await docs('a.py', '# pylint: disable=x\ndef a():\n    return 1\n\n# type: ignore\n# Says.\ndef b():\n    return 1\n\n# noqa: E501\ndef c():\n    return 1\n'), ['a: ', 'b: # Says.', 'c: ']);
  t.same(await docs('a.c', '*p = 1;\nint a(void)\n{\n\treturn 1;\n}\n#define X\nint b(void)\n{\n\treturn 1;\n}\n'), ['a: ', 'b: ']);
});

t.test('a syntax error costs what it touches and nothing else', async (t) => {
  const broken = await parse('a.py', 'def good(a):\n    return a\n\ndef bad(:\n    return (\n\ndef later(a):\n    return a\n');
  t.ok(broken.broken);
  t.ok(broken.definitions.some(([, name]) => name === 'good'));
  t.notOk(broken.definitions.some(([, name]) => name === 'bad'));
  for (const path of ['a.js', 'a.ts', 'a.tsx', 'a.go', 'a.rs', 'a.java', 'a.c', 'a.cpp']) {
    const nonsense = await parse(path, ') } ]] ?? {{{ ( function struct class <<<< 12 ""\n');
    t.same([nonsense.broken, nonsense.definitions], [true, []], path);
  }
  t.same((await parse('a.js', javascript)).definitions, javascriptFound.definitions, 'the next file is parsed as before');
  t.same(await parse('notes.txt', 'def a(): pass'), { broken: false, definitions: [], imports: [], calls: [] });
});

t.test('text made to be slow is given up by its steps, not by a clock', async (t) => {
  const nasty: [string, string][] = [['a.cpp', 'a<'.repeat(60_000)], ['a.js', '(('.repeat(60_000)], ['a.rs', '{[('.repeat(40_000)], ['a.py', 'if a:\n'.repeat(20_000)], ['a.ts', 'a ? b : '.repeat(20_000)], ['a.c', '#if a\n'.repeat(20_000)],
    ['a.js', `x = [${'1,'.repeat(100_000)}];`], ['a.js', 'f();'.repeat(50_000)], ['a.js', `function f() {${'(('.repeat(40_000)}\n}\n`], ['a.go', '[]'.repeat(40_000)], ['a.py', 'lambda:'.repeat(20_000)], ['a.c', '(*'.repeat(40_000)], ['a.js', `${'{'.repeat(2_000)}${'}'.repeat(2_000)}`],
  ];
  for (const [path, text] of nasty) {
    const started = performance.now();
    const parsed = await parse(path, text);
    t.ok(performance.now() - started < 20_000, `${path}: ${(performance.now() - started).toFixed(0)} ms, ${parsed.definitions.length} definitions`);
  }
  t.same((await parse('a.cpp', 'int f() {\n  return 1;\n}\n')).definitions.length, 1, 'and the parser is usable after it');
});

t.test('prose has sections by its headings', async (t) => {
  const text = '# Shop\n\nText.\n\n## `open(door)`\n\n```sh\n# no heading\n```\n\nUnder\n-----\nEnd.\n';
  t.same(sectionsOf(text.split('\n')).map(({ heading, start, end }) => [heading, start, end]), [['Shop', 0, 4], ['`open(door)`', 4, 10], ['Under', 10, 14]]);
});
