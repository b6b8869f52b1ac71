import type { DescEnum } from '@bufbuild/protobuf';

interface EnumNames {
  byNumber: ReadonlyMap<number, string>;
  /** Without the unspecified value, which no client may send. */
  byName: ReadonlyMap<string, number>;
}

const cache = new WeakMap<DescEnum, EnumNames>();

/** The names of an enum's values in JSON: lower case, without the prefix that buf wants (JOB_STATUS_QUEUED: "queued"). */
export function enumNames(desc: DescEnum): EnumNames {
  const known = cache.get(desc);
  if (known !== undefined) return known;
  const prefix = `${desc.name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase()}_`;
  const short = (name: string): string => (name.startsWith(prefix) ? name.slice(prefix.length) : name).toLowerCase();
  const names = {
    byNumber: new Map(desc.values.map((value) => [value.number, short(value.name)])),
    byName: new Map(desc.values.filter((value) => value.number !== 0).map((value) => [short(value.name), value.number])),
  };
  cache.set(desc, names);
  return names;
}
