import { invalid } from '../../core/errors.ts';

/**
 * The fields of a list's query, each at most once.
 * @param known names that are allowed, and beginnings that end in `[`
 * @throws ForgeError invalid_argument
 */
export function readListQuery(query: URLSearchParams, known: readonly string[]): Map<string, string> {
  const fields = new Map<string, string>();
  for (const [name, value] of query) {
    if (!known.some((one) => one === name || (one.endsWith('[') && name.startsWith(one) && name.endsWith(']')))) throw invalid(name.slice(0, 100), 'is not known here');
    if (fields.has(name)) throw invalid(name.slice(0, 100), 'must be given once');
    fields.set(name, value);
  }
  return fields;
}

/** @returns NaN for what is no number, which is then refused with the range */
export function numberIn(fields: ReadonlyMap<string, string>, name: string): number | undefined {
  const value = fields.get(name);
  return value === undefined ? undefined : /^\d{1,9}$/.test(value) ? Number(value) : NaN;
}
