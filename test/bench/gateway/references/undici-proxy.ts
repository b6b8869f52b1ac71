// Reference: a pass-through proxy on undici that parses the JSON and checks the model, and nothing else.
import { createServer } from 'node:http';
import { Agent, request as send } from 'undici';
import { listenAsReference } from './listen.ts';

const upstream = process.argv[2]!;
const dispatcher = new Agent({ connections: 128 });

listenAsReference(createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => void relay(Buffer.concat(chunks)));

  async function relay(body: Buffer): Promise<void> {
    try {
      const { model } = JSON.parse(body.toString()) as { model?: unknown };
      if (model !== 'bench') return void response.writeHead(404).end('{"error":{"message":"no such model"}}');
      const answer = await send(upstream + request.url!, { method: 'POST', body, headers: { 'content-type': 'application/json' }, dispatcher });
      response.writeHead(answer.statusCode, { 'content-type': String(answer.headers['content-type']) });
      answer.body.pipe(response);
    } catch {
      response.destroy();
    }
  }
}));
