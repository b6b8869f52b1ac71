import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** npm packages that the lock file pins; those with TypeScript sources first. */
const npmPackages = ['openai/src', '@grpc/grpc-js/src', '@connectrpc', '@bufbuild/protobuf', '@nats-io', 'undici', 'ws', 'simple-git', 'ollama', '@huggingface/jinja', 'protobufjs'];
/** Python packages that the trainer's lock pins. */
const pythonPackages = ['trl', 'peft', 'accelerate', 'huggingface_hub', 'jinja2', 'networkx', 'click', 'rich'];

/**
 * Folders of source text for the starter model: installed packages, pinned by the lock files, and never the
 * repository that is trained on.
 * @param python the trainer's interpreter, whose packages lie in `../lib/python3.x/site-packages`
 */
export async function starterCorpus(nodeModules: string, python: string): Promise<string[]> {
  const found: string[] = [];
  for (const dir of [...npmPackages.map((name) => join(nodeModules, name)), ...(await sitePackages(python))]) {
    if ((await stat(dir).catch(() => undefined))?.isDirectory()) found.push(dir);
  }
  return found;
}

async function sitePackages(python: string): Promise<string[]> {
  const lib = join(dirname(python), '..', 'lib');
  const versions = (await readdir(lib).catch(() => [])).filter((name) => /^python3\.\d+$/.test(name)).sort();
  const newest = versions.at(-1);
  return newest === undefined ? [] : pythonPackages.map((name) => join(lib, newest, 'site-packages', name));
}
