// Reference: a pipe in both directions with `node:http` alone; nothing is looked at.
import { Agent, createServer, request as send } from 'node:http';
import { listenAsReference } from './listen.ts';

const upstream = new URL(process.argv[2]!);
const agent = new Agent({ keepAlive: true });

listenAsReference(createServer((request, response) => {
  const { host: _host, connection: _connection, ...headers } = request.headers;
  const outgoing = send({ agent, host: upstream.hostname, port: upstream.port, method: request.method, path: request.url, headers }, (answer) => {
    const { connection: _hop, 'keep-alive': _hopToo, 'transfer-encoding': _framing, ...passed } = answer.headers;
    response.writeHead(answer.statusCode!, passed);
    answer.pipe(response);
  });
  outgoing.on('error', () => response.destroy());
  request.pipe(outgoing);
}));
