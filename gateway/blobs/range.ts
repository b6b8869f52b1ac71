import type { ByteRange } from '../../core/blobs/blob-store.ts';

/**
 * What of a file a request wants (RFC 9110, section 14.2). Several ranges, and units and forms that are not known, are
 * ignored, as a server may.
 * @returns undefined for the whole of it, 'unsatisfiable' where none of the range's bytes is there
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const parts = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  if (parts === null || (parts[1] === '' && parts[2] === '')) return undefined;
  const last = size - 1;
  // `-n`: the last n bytes.
  const start = parts[1] === '' ? Math.max(0, size - Number(parts[2])) : Number(parts[1]);
  const end = parts[1] === '' || parts[2] === '' ? last : Math.min(last, Number(parts[2]));
  if (parts[1] !== '' && parts[2] !== '' && Number(parts[2]) < start) return undefined;
  return start > last || (parts[1] === '' && Number(parts[2]) === 0) ? 'unsatisfiable' : { start, end };
}
