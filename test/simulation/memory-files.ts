/** What of `node:fs/promises` a worker's spool uses, in memory. Files outlive a process; what was not synced may be torn. */
export interface MemoryFiles {
  readonly operations: Readonly<Record<string, (...args: never[]) => unknown>>;
  /** Of the files below a folder, what was not synced is kept in part, as chance has it. */
  crash(folder: string): void;
}

interface Content {
  text: string;
  synced: number;
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

export function createMemoryFiles(random: () => number): MemoryFiles {
  const files = new Map<string, Content>();
  const handleOf = (content: Content) => ({
    async appendFile(text: string) {
      content.text += text;
    },
    async datasync() {
      content.synced = content.text.length;
    },
    async sync() {},
    async close() {},
  });
  return {
    operations: {
      async open(path: string, flags = 'r') {
        const there = files.get(path);
        if (there !== undefined && flags.includes('x')) throw failure('EEXIST', path);
        const content = there ?? { text: '', synced: 0 };
        // Folders are opened to be synced.
        if (flags !== 'r') files.set(path, content);
        return handleOf(content);
      },
      async mkdir() {},
      async rm(path: string) {
        for (const name of [...files.keys()]) if (name === path || name.startsWith(`${path}/`)) files.delete(name);
      },
      async readdir(path: string) {
        return [...files.keys()].filter((name) => name.startsWith(`${path}/`)).map((name) => name.slice(path.length + 1));
      },
      async readFile(path: string) {
        const content = files.get(path);
        if (content === undefined) throw failure('ENOENT', path);
        return content.text;
      },
      async truncate(path: string, length: number) {
        const content = files.get(path)!;
        content.text = content.text.slice(0, length);
        content.synced = content.text.length;
      },
    },
    crash(folder) {
      for (const [name, content] of files) {
        if (!name.startsWith(`${folder}/`)) continue;
        content.text = content.text.slice(0, content.synced + Math.floor(random() * (content.text.length - content.synced + 1)));
      }
    },
  };
}
