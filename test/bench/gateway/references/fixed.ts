// Reference: bare `node:http` that answers every request with one JSON text.
import { createServer } from 'node:http';
import { listenAsReference } from './listen.ts';

const body = process.argv[2] ?? '{}';

listenAsReference(createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}));
