/** Which of the things 0 to count - 1 belong together (union-find). A cluster is called by its least member. */
export interface Clusters {
  find(member: number): number;
  join(a: number, b: number): void;
}

export function createClusters(count: number): Clusters {
  const parents = Uint32Array.from({ length: count }, (_, member) => member);
  function find(member: number): number {
    let at = member;
    while (parents[at] !== at) {
      parents[at] = parents[parents[at]!]!;
      at = parents[at]!;
    }
    return at;
  }
  return {
    find,
    join(a, b) {
      const [first, second] = [find(a), find(b)];
      parents[Math.max(first, second)] = Math.min(first, second);
    },
  };
}
