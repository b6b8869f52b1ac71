import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import t from 'tap';

const root = resolve(import.meta.dirname, '../..');
const pages = execFileSync('git', ['-C', root, 'ls-files', '--', '*.md'], { encoding: 'utf8' }).trim().split('\n');

/** Whether there is something to read: a folder with nothing that git keeps is not there for whoever clones. */
function leadsSomewhere(path: string): boolean {
  if (!existsSync(path)) return false;
  if (statSync(path).isFile()) return true;
  return execFileSync('git', ['-C', root, 'ls-files', '--', path], { encoding: 'utf8' }) !== '';
}

t.test('each relative link of each page leads to something', async (t) => {
  t.ok(pages.includes('README.md'));
  let checked = 0;
  for (const page of pages) {
    const text = readFileSync(join(root, page), 'utf8').replace(/^```[^]*?^```/gm, '').replace(/`[^`\n]*`/g, '');
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:|^#/.test(target!)) continue;
      checked += 1;
      t.ok(leadsSomewhere(resolve(root, dirname(page), target!.split('#')[0]!)), `${page}: ${target}`);
    }
  }
  t.ok(checked > 0, 'there are links to check');
});
