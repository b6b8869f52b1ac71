import type { OpenAiEndpoint } from './backend.ts';

/** Which values of a parameter are refused, in words for the docs and as a test. */
export interface Refused {
  words: string;
  test(value: unknown): boolean;
}

/** A parameter that a backend takes and then leaves aside: asking for it is refused, so that nobody believes it was done. */
export interface Unsupported {
  endpoint: OpenAiEndpoint;
  /** Outermost name in the request. */
  parameter: string;
  refused: Refused;
  /** What to do instead. */
  remedy: string;
}

/** All but values that ask for what is done anyway. Null and absence never ask for anything. */
export const otherThan = (...same: unknown[]): Refused => {
  const texts = same.map((value) => JSON.stringify(value));
  return { words: texts.length === 0 ? 'any value' : `other than ${texts.join(' or ')}`, test: (value) => !texts.includes(JSON.stringify(value)) };
};

/** @param rows of one backend and endpoint */
export function firstRefused(rows: readonly Unsupported[], request: Readonly<Record<string, unknown>>): Unsupported | undefined {
  return rows.find(({ parameter, refused }) => {
    const value = request[parameter] ?? undefined;
    return value !== undefined && refused.test(value);
  });
}
