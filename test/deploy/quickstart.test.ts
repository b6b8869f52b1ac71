import { execFileSync } from 'node:child_process';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { parseQuickstartArguments } from '../../deploy/local/quickstart/arguments.ts';
import { whyHubIsAway } from '../../deploy/local/quickstart/base-model.ts';
import { findRepository, projectName, questionFor } from '../../deploy/local/quickstart/repository.ts';
import { summaryLines } from '../../deploy/local/quickstart/summary.ts';
import { progressLine } from '../../deploy/local/quickstart/watch-job.ts';

t.test('arguments', (t) => {
  t.match(parseQuickstartArguments([]), { path: '.', baseModel: undefined });
  t.match(parseQuickstartArguments(['../x', '--base-model', 'a/b', '--question', 'Why?']), { path: '../x', baseModel: 'a/b', question: 'Why?' });
  for (const [args, why] of [[['--fast'], /no such option/], [['a', 'b'], /more than one/], [['--question'], /needs a value/]] as const) t.throws(() => parseQuickstartArguments(args), why);
  t.end();
});

t.test('a repository needs to be one, with a commit', (t) => {
  const dir = realpathSync(t.testdir());
  const git = (...args: string[]) => execFileSync('git', ['-C', dir, '-c', 'user.name=n', '-c', 'user.email=e', ...args], { stdio: 'ignore' });
  t.throws(() => findRepository(join(dir, 'nothing')), /is no folder/);
  git('init', '-q');
  t.throws(() => findRepository(dir), /has no commit yet/);
  mkdirSync(join(dir, 'sub'));
  for (const name of ['a.go', 'b.go', 'c.md']) writeFileSync(join(dir, 'sub', name), 'x\n');
  git('add', '-A');
  git('commit', '-q', '-m', 'first');
  t.match(findRepository(join(dir, 'sub')), { path: dir, commit: /^[0-9a-f]{40,64}$/ });
  t.match(questionFor(dir), /\.go\./, 'asks about the kind of file there are most of');
  t.end();
});

t.test('project names are made of folder names', (t) => {
  for (const folder of ['My Project!', '--rf', 'größe', '...', '', 'a'.repeat(90), `${'a'.repeat(63)}-b`]) t.match(projectName(folder), /^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$/, folder);
  t.equal(projectName('My Project!'), 'my-project');
  t.end();
});

t.test('the hub is asked, within limits', async (t) => {
  let status = 200;
  const server = createServer((request, response) => { response.statusCode = request.url === '/api/models/a/b' ? status : 404; response.end('{}'); }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.equal(await whyHubIsAway('a/b', { HF_ENDPOINT }), undefined);
  status = 503;
  t.match(await whyHubIsAway('a/b', { HF_ENDPOINT }), /answers 503/);
  t.match(await whyHubIsAway('a/b', { HF_ENDPOINT, HF_HUB_OFFLINE: '1' }), /HF_HUB_OFFLINE/);
  t.match(await whyHubIsAway('a/b', { HF_ENDPOINT: 'http://127.0.0.1:9' }), /ECONNREFUSED|bad port/);
});

t.test('lines say what was measured, and nothing else', (t) => {
  t.equal(progressLine({ cursor: '', type: 'metrics', time: '', status: 'training', step: 40, total_steps: 120, epoch: 0.333, loss: 3.9123, tokens_per_second: 4100.4, eta_seconds: 75 }), 'training  step 40/120  epoch 0.33  loss 3.912  4,100 tokens/s  1 min 15 s left');
  t.equal(progressLine({ cursor: '', type: 'metrics', time: '', status: 'preparing', message: 'loading' }), 'preparing  loading');
  const lines = summaryLines({
    watched: { status: 'completed', message: undefined, seconds: { queued: 0.2, preparing: 39, training: 60 }, tokensPerSecond: undefined, loss: undefined, steps: undefined },
    validation: { passed: true, report_path: 'r', metrics: { final_loss: 4, perplexity: 50, base_perplexity: 100, margin: 0.5, margin_low: 0.4, margin_high: 0.6 } },
    asked: { promptTokens: undefined, completionTokens: undefined, seconds: 1, firstTokenSeconds: undefined },
    stages: [['fine-tuning', 99], ['chat', 61]],
  }).join('\n');
  t.match(lines, /50\.00 tuned, 100\.00 base/);
  t.match(lines, /50\.0 % lower.*40\.0 % to 60\.0 %/);
  t.match(lines, /fine-tuning 1 min 39 s \(preparing 39 s, training 1 min 0 s\), chat 1 min 1 s/);
  t.notMatch(lines, /undefined|NaN|tokens\/s/);
  t.end();
});
