/** Answers each request on `echo` with what it says: `echo-over-nats.ts <NATS URL>`. */
import { connectNats } from '../../core/nats.ts';

const connection = await connectNats(process.argv[2]!, 'echo');
connection.subscribe('echo', { callback: (_error, message) => void message.respond(message.data) });
await connection.flush();
console.log(`ready ${process.pid}`);
