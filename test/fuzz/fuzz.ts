import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { ServerReflection } from '../../core/gen/grpc/reflection/v1/reflection_pb.ts';
import { createRandom } from './random.ts';
import { allMakers, type FuzzRequest } from './routes.ts';
import { createSender } from './send.ts';

export interface FuzzOptions {
  url: string;
  seed: number;
  /** Number of the first request; each has random numbers of its own, so that one can be sent again alone. */
  from: number;
  count: number;
  atOnce: number;
  /** Called twenty times, at even distances. */
  sample(sent: number): void;
}

export interface Fault {
  number: number;
  what: string;
  request: FuzzRequest;
}

/** Sends mutated requests to all routes of a running gateway. @returns what it did wrong */
export async function fuzz({ url, seed, from, count, atOnce, sample }: FuzzOptions): Promise<{ faults: Fault[]; routes: number }> {
  const makers = await allMakers(await mountedServices(url));
  const sender = createSender(url, atOnce);
  const faults: Fault[] = [];
  const every = Math.max(1, Math.floor(count / 20));
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count && faults.length < 20) {
      const number = from + next++;
      const random = createRandom(seed * 1_000_003 + number);
      const request = random.pick(makers)(random);
      const what = await sender.send(request);
      if (what !== undefined) faults.push({ number, what, request });
      if ((number - from + 1) % every === 0) sample(number - from + 1);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  await sender.close();
  return { faults, routes: makers.length };
}

/** All services that the gateway says it has. */
async function mountedServices(url: string): Promise<string[]> {
  const reflection = createClient(ServerReflection, createGrpcTransport({ baseUrl: url }));
  async function* ask() {
    yield { messageRequest: { case: 'listServices' as const, value: '' } };
  }
  for await (const { messageResponse } of reflection.serverReflectionInfo(ask())) {
    if (messageResponse.case === 'listServicesResponse') return messageResponse.value.service.map(({ name }) => name);
  }
  throw new Error('reflection gave no list');
}
