/** What a request asks for. */
export type RequestTarget = Pick<URL, 'pathname' | 'search' | 'searchParams'>;

/** A path that a URL would leave as it is: none of the characters that it encodes or drops, and no `.` or `..` segment. */
const plainPath = /^(?:\/(?!\.)[\w.~!$&'()*+,;=:@-]*)+$/;

/** Only the path and the query count; an absolute target (as for a proxy) is taken for its path. */
export function parseTarget(target: string | undefined): RequestTarget | undefined {
  if (target === undefined) return undefined;
  if (plainPath.test(target)) return new PlainTarget(target);
  const url = target.startsWith('/') ? URL.parse(`http://localhost${target}`) : target === '*' ? URL.parse('http://localhost/') : URL.parse(target);
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined;
}

class PlainTarget {
  readonly pathname: string;
  readonly search = '';

  constructor(pathname: string) {
    this.pathname = pathname;
  }

  get searchParams(): URLSearchParams {
    return new URLSearchParams();
  }
}
