import type { BackendResponse, InferenceBackend, OpenAiEndpoint } from '../inference/backend.ts';
import { isForgeError } from '../../core/errors.ts';
import { Family, type Counter, type Histogram } from './exposition.ts';
import { AnswerEnd, readUsage } from './usage.ts';

export interface InferenceMetrics {
  /** The backend, with what is sent to it measured. Whichever lane a request came by, it goes through here. */
  measured(backend: InferenceBackend): InferenceBackend;
  text(): string;
}

interface EndpointMeter {
  firstByte: Histogram;
  prompt: Counter;
  completion: Counter;
  byStatus: Map<string, Counter>;
}

/** What backends are asked, how soon they begin to answer, and the tokens that they report. */
export function createInferenceMetrics(): InferenceMetrics {
  const requests = Family.counters('ai_forge_inference_requests_total', 'Requests to the inference backend by what it answered: an HTTP status, or the code of an error.');
  const firstByte = Family.histograms('ai_forge_inference_first_byte_seconds', 'From sending a request to the inference backend to the first byte of its answer: of a stream, the first token.');
  const tokens = Family.counters('ai_forge_tokens_total', 'Tokens as the inference backend reports them in `usage`; a stream reports none unless it was asked to.');
  const meters = new Map<OpenAiEndpoint, EndpointMeter>();

  const meterOf = (endpoint: OpenAiEndpoint): EndpointMeter => {
    let meter = meters.get(endpoint);
    if (meter === undefined) {
      meter = { firstByte: firstByte.child({ endpoint }), prompt: tokens.child({ endpoint, type: 'prompt' }), completion: tokens.child({ endpoint, type: 'completion' }), byStatus: new Map() };
      meters.set(endpoint, meter);
    }
    return meter;
  };
  const count = (meter: EndpointMeter, endpoint: OpenAiEndpoint, status: string): void => {
    let counter = meter.byStatus.get(status);
    if (counter === undefined) meter.byStatus.set(status, (counter = requests.child({ endpoint, status })));
    counter.add();
  };

  return {
    measured(backend) {
      const send = async (endpoint: OpenAiEndpoint, body: Uint8Array, signal: AbortSignal): Promise<BackendResponse> => {
        const meter = meterOf(endpoint);
        const begun = performance.now();
        try {
          const answer = await backend.send(endpoint, body, signal);
          count(meter, endpoint, String(answer.status));
          return { status: answer.status, headers: answer.headers, body: answer.status < 400 ? new MeasuredBody(answer.body, meter, begun) : answer.body };
        } catch (error) {
          count(meter, endpoint, isForgeError(error) ? error.code : 'internal');
          throw error;
        }
      };
      // Everything else is the backend's own, also what a later version of the port adds.
      return Object.create(backend, { send: { value: send } }) as InferenceBackend;
    },
    text: () => requests.text() + firstByte.text() + tokens.text(),
  };
}

/** Looks at chunks as they pass, and changes none. */
class MeasuredBody implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>;
  readonly #meter: EndpointMeter;
  readonly #begun: number;

  constructor(body: AsyncIterable<Uint8Array>, meter: EndpointMeter, begun: number) {
    this.#body = body;
    this.#meter = meter;
    this.#begun = begun;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const chunks = this.#body[Symbol.asyncIterator]();
    const end = new AnswerEnd();
    let first = true;
    const seen = (next: IteratorResult<Uint8Array>): IteratorResult<Uint8Array> => {
      if (next.done === true) {
        const { prompt, completion } = readUsage(end.text());
        this.#meter.prompt.add(prompt ?? 0);
        this.#meter.completion.add(completion ?? 0);
      } else {
        if (first) this.#meter.firstByte.observe((performance.now() - this.#begun) / 1000);
        first = false;
        end.push(next.value);
      }
      return next;
    };
    return {
      next: () => chunks.next().then(seen),
      return: () => chunks.return?.() ?? Promise.resolve({ done: true, value: undefined }),
    };
  }
}
