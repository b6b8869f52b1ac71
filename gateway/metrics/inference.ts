import type { InferenceBackend, OpenAiEndpoint } from '../inference/backend.ts';
import { observe, type BodyObserver } from '../inference/observed-body.ts';
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
      const send: InferenceBackend['send'] = (endpoint, body, signal) => {
        const meter = meterOf(endpoint);
        const begun = performance.now();
        return backend.send(endpoint, body, signal).then(
          (answer) => {
            count(meter, endpoint, String(answer.status));
            if (answer.status < 400) answer.body = observe(answer.body, new AnswerMeter(meter, begun));
            return answer;
          },
          (error: unknown) => {
            count(meter, endpoint, isForgeError(error) ? error.code : 'internal');
            throw error;
          },
        );
      };
      // Everything else is the backend's own, also what a later version of the port adds.
      return Object.create(backend, { send: { value: send } }) as InferenceBackend;
    },
    text: () => requests.text() + firstByte.text() + tokens.text(),
  };
}

/** Measures one answer as it comes. */
class AnswerMeter implements BodyObserver {
  readonly #meter: EndpointMeter;
  readonly #begun: number;
  readonly #end = new AnswerEnd();
  #first = true;

  /** @param begun when the request was sent, monotonic milliseconds */
  constructor(meter: EndpointMeter, begun: number) {
    this.#meter = meter;
    this.#begun = begun;
  }

  chunk(bytes: Uint8Array): void {
    if (this.#first) this.#meter.firstByte.observe((performance.now() - this.#begun) / 1000);
    this.#first = false;
    this.#end.push(bytes);
  }

  over(whole: boolean): void {
    if (!whole) return;
    const { prompt, completion } = readUsage(this.#end.text());
    this.#meter.prompt.add(prompt ?? 0);
    this.#meter.completion.add(completion ?? 0);
  }
}
