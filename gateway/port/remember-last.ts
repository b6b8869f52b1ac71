/**
 * Remembers what the last path led to: the gate and then the lane ask for the same one.
 * @param find whose answer for a path never changes; what it throws is not remembered
 */
export function rememberLast<Found>(find: (path: string) => Found): (path: string) => Found {
  let last: { path: string; found: Found } | undefined;
  return (path) => (last?.path === path ? last : (last = { path, found: find(path) })).found;
}
