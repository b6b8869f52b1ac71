import { invalid } from '../core/errors.ts';

/** One page of a list, and where the next begins. */
export interface Page<T> {
  items: T[];
  /** Empty on the last page. */
  next: string;
}

/** How many items a page may hold; 20 unless said otherwise. @throws ForgeError invalid_argument */
export function pageSizeOf({ pageSize = 20 }: { pageSize?: number | undefined }): number {
  if (pageSize < 1 || pageSize > 100) throw invalid('page_size', `must be from 1 to 100, not ${pageSize}`);
  return pageSize;
}

/**
 * Cuts a page out of a list in its order; the token is the id of the last item of the page before.
 * @param wanted items that do not fit are passed over
 * @throws ForgeError invalid_argument
 */
export function pageOf<T>(items: readonly T[], request: { pageSize?: number | undefined; pageToken?: string | undefined }, idOf: (item: T) => string, wanted: (item: T) => boolean = () => true): Page<T> {
  const size = pageSizeOf(request);
  let from = 0;
  if (request.pageToken !== undefined && request.pageToken !== '') {
    const last = items.findIndex((item) => idOf(item) === request.pageToken);
    if (last < 0) throw invalid('page_token', 'must be the next_page_token of a list with the same filters');
    from = last + 1;
  }
  const page: T[] = [];
  for (let index = from; index < items.length; index++) {
    const item = items[index]!;
    if (!wanted(item)) continue;
    if (page.length === size) return { items: page, next: idOf(page.at(-1)!) };
    page.push(item);
  }
  return { items: page, next: '' };
}
