import t from 'tap';
import { fileSpans } from '../../../../guardian/dataset/plain/file-completion.ts';
import { functionSpans } from '../../../../guardian/dataset/plain/function-completion.ts';
import type { FunctionStyle } from '../../../../guardian/dataset/language.ts';
import { defaultSettings } from '../../../../guardian/dataset/settings.ts';
import { split } from '../../../../guardian/dataset/split.ts';

const settings = { ...defaultSettings(0n, 'plain'), minAnswerChars: 5 };

/** Name, first and last line of each body (from 1). */
function found(style: FunctionStyle, text: string): [string | undefined, string, string][] {
  const lines = text.split('\n');
  return functionSpans(lines, style, settings).map((span) => [span.name, lines[span.start]!.trim(), lines[span.end - 1]!.trim()]);
}

t.test('javascript and typescript', async (t) => {
  const text = `import x from 'x';

/** Adds. */
export async function add<T>(a: T, b: T): Promise<T> {
  const both = [a, b];
  return sum(both);
}
function declared(a: number): void;
const arrow = (a, b) => {
  return a * b;
};
export const typed: Handler = async (request) => { // why
  return answer(request);
};
const notOne = compute({
  a: 1,
});
function long(
  first: string,
  options: {
    a: number;
  },
): { a: number } {
  first.trim();
  return options;
}
class Shop extends Base {
  #count = 0;
  constructor(private a: string) {
    super(a);
    this.b = a;
  }
  static async *rows(of: string): AsyncGenerator<Row> {
    if (of) {
      yield* all(of);
    }
  }
  get size() {
    return this.#count;
  }
  abstract none(): void;
}
if (a) {
  call();
}
describe('x', () => {
  it('does', function () {
    check();
  });
});`;
  t.same(found('javascript', text), [
    ['add', 'const both = [a, b];', '}'],
    ['arrow', 'return a * b;', '};'],
    ['typed', 'return answer(request);', '};'],
    ['long', 'first.trim();', '}'],
    ['constructor', 'super(a);', '}'],
    ['rows', 'if (of) {', '}'],
    ['size', 'return this.#count;', '}'],
  ]);
});

t.test('python: decorators and docstrings are shown, bodies end by indentation', async (t) => {
  const text = `class Shop:
    @property
    def size(self) -> int:
        """How many.

        At all.
        """
        return len(self.items)

    async def open(
        self,
        door: str = ":)",
    ) -> None:  # slowly
        await door.open()

        self.is_open = True

    def short(self): ...

    def text(self):
        return """
at the margin
"""

def last(a):
    'short'
    return a + 1
`;
  t.same(found('python', text), [
    ['size', 'return len(self.items)', 'return len(self.items)'],
    ['open', 'await door.open()', 'self.is_open = True'],
    ['last', "'short'", 'return a + 1'],
  ]);
  const span = functionSpans(text.split('\n'), 'python', settings)[0]!;
  t.match(text.split('\n').slice(span.from, span.start).join('\n'), /@property\n.*def size.*\n\s+"""How many\.[^]*"""$/);
});

t.test('go, rust, java, c and c++', async (t) => {
  t.same(
    found('go', 'func Add(a, b int) int {\n\treturn a + b\n}\n\nfunc (s *Shop) Open(door string) (err error) {\n\tif door == "" {\n\t\treturn nil\n\t}\n\treturn s.open(door)\n}\nfunc Map[K comparable](m map[K]int) {\n\tclear(m)\n}'),
    [['Add', 'return a + b', '}'], ['Open', 'if door == "" {', '}'], ['Map', 'clear(m)', '}']],
  );
  t.same(
    found('rust', 'impl Shop {\n    pub(crate) async fn open<T>(&self, door: T) -> Result<()>\n    where\n        T: Door,\n    {\n        door.open().await\n    }\n}\nfn one() -> u8 {\n    1 + 1 + 1\n}\nfn declared();'),
    [['open', 'door.open().await', '}'], ['one', '1 + 1 + 1', '}']],
  );
  t.same(
    found('java', 'public class Shop {\n    public Shop(String name) {\n        this.name = name;\n    }\n    @Override\n    protected List<String> doors(int a,\n            int b) throws Exception {\n        return list(a, b);\n    }\n    abstract void none();\n    void run() {\n        if (x(1)) {\n            y();\n        } else if (z(2)) {\n            y();\n        }\n        return call(1);\n    }\n}'),
    [['Shop', 'this.name = name;', '}'], ['doors', 'return list(a, b);', '}'], ['run', 'if (x(1)) {', '}']],
  );
  t.same(
    found('c', 'static int add(int a, int b)\n{\n#ifdef FAST\n\treturn a + b;\n#endif\n\treturn slow(a, b);\n}\nvoid *make(void) {\n\treturn malloc(8);\n}\nint declared(int a);\nint value = call(1);\nvoid Shop::open(const std::string& door) const {\n  doors.push_back(door);\n}\nShop::~Shop() {\n  close_all_doors();\n}'),
    [['add', '#ifdef FAST', '}'], ['make', 'return malloc(8);', '}'], ['open', 'doors.push_back(door);', '}'], ['~Shop', 'close_all_doors();', '}']],
  );
});

t.test('code that is laid out otherwise is passed over, not cut wrongly', async (t) => {
  t.same(found('javascript', 'function text() {\n  return `\nat the margin\n`;\n}'), []);
  t.same(found('javascript', 'function open() {\n  return 1;\n'), [], 'an end that never comes');
  t.same(found('c', 'int f(int a) { return a; }\nint g(void)\n'), []);
});

t.test('lines made to be slow to match are not slow', async (t) => {
  const nasty = [' '.repeat(290), `${'a '.repeat(140)}(`, `${'static '.repeat(40)}x`, `${'const '.repeat(40)}fn`, '<'.repeat(290), `  f(${'a:'.repeat(140)}{`];
  const lines = Array.from({ length: 2_000 }, (_, index) => nasty[index % nasty.length]!);
  const started = performance.now();
  for (const style of ['javascript', 'python', 'go', 'rust', 'java', 'c'] as const) functionSpans(lines, style, settings);
  fileSpans(lines, settings);
  const ms = performance.now() - started;
  t.ok(ms < 5_000, `${ms.toFixed(0)} ms`);
});

t.test('a file is cut between its blocks, into bounded pieces that follow each other', async (t) => {
  const block = (name: string): string[] => [`export function ${name}() {`, ...Array.from({ length: 10 }, (_, line) => `  const ${name}${line} = ${line} + other('${name}');`), '}', ''];
  const lines = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'].flatMap(block);
  const spans = fileSpans(lines, settings);
  t.ok(spans.length >= 2);
  let last = 0;
  for (const span of spans) {
    t.ok(span.start >= last && span.end > span.start && span.from <= span.start);
    t.match(lines[span.start], /^export function/, 'each begins with a block');
    t.ok(lines.slice(span.start, span.end).join('\n').length <= settings.maxAnswerChars);
    t.ok(lines.slice(span.from, span.start).join('\n').length <= settings.contextChars);
    last = span.end;
  }
  t.same(fileSpans(['x'.repeat(1_001)], settings), [], 'a line too long for an answer');
  t.same(fileSpans(['a'], settings), [], 'next to nothing');
});

t.test('the split is near its share, keeps groups together and fills both sides', async (t) => {
  const items = Array.from({ length: 4_000 }, (_, number) => ({ key: `k${String(number).padStart(4, '0')}`, group: `g${number >> 1}` }));
  const sides = split(items, 0.125, 9n);
  const share = sides.filter((side) => side === 'heldout').length / sides.length;
  t.ok(share > 0.1 && share < 0.15, `${share}`);
  for (let at = 0; at < items.length; at += 2) if (sides[at] !== sides[at + 1]) t.fail(`group ${at >> 1} is torn`);
  for (let seed = 0n; seed < 50n; seed += 1n) {
    t.same([...split([{ key: 'a', group: '1' }, { key: 'b', group: '2' }], 0.125, seed)].sort(), ['heldout', 'train']);
    t.same([...split([{ key: 'a', group: '1' }, { key: 'b', group: '2' }], 1, seed)].sort(), ['heldout', 'train']);
  }
  t.same(split([{ key: 'a', group: '1' }], 0.99, 0n), ['train']);
  t.same(split([], 0.5, 0n), []);
});
