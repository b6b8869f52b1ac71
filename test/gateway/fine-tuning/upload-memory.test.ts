// How much memory an upload takes: the gateway as a process of its own, fed with a file that is never whole anywhere.
import { once } from 'node:events';
import { request } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import t from 'tap';
import { startLoneGateway } from '../../support/lone-gateway.ts';
import { forgetPeak, peakMemory } from '../../support/peak-memory.ts';

/** As large as a file may be in the long tests, else large enough to see whether it is gathered in memory. */
const mebibytes = process.env['FORGE_TEST_LONG'] === '1' ? 512 : 64;
const maxGrowthBytes = 48 << 20;
/** The engine collects the pieces that were read somewhat late, however large the file is. */
const maxReadGrowthBytes = 112 << 20;
t.setTimeout(180_000);

/** A form with that many MiB of examples, as long as it says. */
function bigForm(size: number): { chunks: () => Generator<Buffer>; length: number } {
  const head = Buffer.from('--xyz\r\ncontent-disposition: form-data; name="file"; filename="big.jsonl"\r\ncontent-type: application/octet-stream\r\n\r\n');
  const tail = Buffer.from('\r\n--xyz\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--xyz--\r\n');
  const line = (n: number): string => `${JSON.stringify({ messages: [{ role: 'user', content: `Question ${String(n).padStart(9, '0')}: ${'x'.repeat(200)}` }, { role: 'assistant', content: 'y'.repeat(700) }] })}\n`;
  const lineBytes = line(0).length;
  const lines = Math.floor(size / lineBytes);
  return {
    length: head.length + lines * lineBytes + tail.length,
    *chunks() {
      yield head;
      for (let n = 0; n < lines; n += 100) yield Buffer.from(Array.from({ length: Math.min(100, lines - n) }, (_, i) => line(n + i)).join(''));
      yield tail;
    },
  };
}

t.test(`a file of ${mebibytes} MiB`, { skip: process.platform === 'linux' ? false : 'memory is read from /proc' }, async (t) => {
  const { pid, port } = await startLoneGateway(t);

  const upload = async (size: number): Promise<{ id: string; bytes: number }> => {
    const { chunks, length } = bigForm(size);
    const sent = request({ port, host: '127.0.0.1', method: 'POST', path: '/v1/files', headers: { 'content-type': 'multipart/form-data; boundary=xyz', 'content-length': length } });
    const answered = once(sent, 'response');
    await pipeline(Readable.from(chunks()), sent);
    const [response] = await answered;
    const text = (await Array.fromAsync(response as AsyncIterable<Buffer>)).join('');
    t.equal(response.statusCode, 200, text);
    return JSON.parse(text);
  };
  // What the engine compiles and gathers for any upload is there then.
  await upload(4 << 20);
  forgetPeak(pid);
  const before = peakMemory(pid);
  const since = performance.now();
  const file = await upload(mebibytes << 20);
  const seconds = (performance.now() - since) / 1000;
  const after = peakMemory(pid);
  t.ok(file.bytes > (mebibytes << 20) - 2048, `${file.bytes} bytes are stored`);
  const shown = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  t.comment(`${shown(file.bytes)} in ${seconds.toFixed(1)} s (${(mebibytes / seconds).toFixed(0)} MiB/s): peak resident memory of the gateway ${shown(after)}, ${shown(after - before)} above what it had before`);
  t.ok(after - before < maxGrowthBytes, `${shown(after - before)} more`);

  const answer = await fetch(`http://127.0.0.1:${port}/v1/files/${file.id}/content`);
  let bytes = 0;
  for await (const chunk of answer.body!) bytes += chunk.length;
  t.equal(bytes, file.bytes, 'and it comes back whole');
  const read = peakMemory(pid);
  t.comment(`after it was read again: ${shown(read)}`);
  t.ok(read - before < maxReadGrowthBytes, `${shown(read - before)} more`);
});
