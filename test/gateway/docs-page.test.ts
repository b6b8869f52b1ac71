// The page at /docs: what is served, and in a real browser that nothing comes from elsewhere and a request can be tried.
import puppeteer, { type Browser } from 'puppeteer-core';
import t from 'tap';
import { findChromium, needsChromium } from '../support/chromium.ts';
import { gatewayScene } from '../support/gateway-scene.ts';

t.setTimeout(120_000);

t.test('its files', async (t) => {
  const scene = await gatewayScene(t);
  const page = await fetch(`${scene.url}/docs`);
  t.equal(page.status, 200);
  t.equal(page.headers.get('content-type'), 'text/html; charset=utf-8');
  const policy = page.headers.get('content-security-policy')!;
  t.match(policy, /default-src 'none'; script-src 'self';/);
  t.notMatch(policy, /script-src[^;]*unsafe/);
  const html = await page.text();
  const links = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
  t.equal(links.length, 4);
  for (const link of links) {
    const file = await fetch(`${scene.url}${link}`);
    t.equal(file.status, 200, link);
    const etag = file.headers.get('etag')!;
    t.ok((await file.arrayBuffer()).byteLength > 100);
    t.equal((await fetch(`${scene.url}${link}`, { headers: { 'if-none-match': etag } })).status, 304);
  }
  t.equal((await fetch(`${scene.url}/docs/`)).status, 200);
  t.equal((await fetch(`${scene.url}/docs`, { method: 'HEAD' })).status, 200);
  t.equal((await fetch(`${scene.url}/docs`, { method: 'DELETE' })).status, 405);
  t.equal((await fetch(`${scene.url}/docs/../package.json`)).status, 404);
  t.equal((await fetch(`${scene.url}/docs/constructor`)).status, 404);
});

t.test('in a browser', needsChromium(), async (t) => {
  const scene = await gatewayScene(t);
  const browser: Browser = await puppeteer.launch({ executablePath: findChromium()!, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  t.teardown(() => browser.close());
  const page = await browser.newPage();
  const asked: string[] = [];
  const problems: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });
  await page.goto(`${scene.url}/docs`, { waitUntil: 'networkidle0' });

  await page.waitForSelector('.opblock', { timeout: 30_000 });
  const operations = await page.$$eval('.opblock', (blocks) => blocks.length);
  t.ok(operations > 30, `${operations} operations are shown`);
  t.match(await page.$eval('.info .title', (title) => title.textContent), /AI Forge/);

  const health = '#operations-HealthService-GetHealth';
  await page.click(`${health} .opblock-summary-control`);
  await page.waitForSelector(`${health} .execute`, { timeout: 10_000 });
  const answered = page.waitForResponse((response) => new URL(response.url()).pathname === '/health');
  await page.click(`${health} .execute`);
  t.equal((await answered).status(), 200);
  const shown = await page.waitForSelector(`${health} .live-responses-table tr.response .response-col_status`, { timeout: 10_000 });
  t.match(await shown!.evaluate((cell) => cell.textContent), /^200/);
  t.match(await page.$eval(`${health} .live-responses-table`, (table) => table.textContent), /ollama_available/);

  const elsewhere = asked.filter((url) => !url.startsWith(scene.url) && !url.startsWith('data:'));
  t.same(elsewhere, [], 'nothing was asked of another host');
  t.same(problems, [], 'no script, policy or file was refused');
});
