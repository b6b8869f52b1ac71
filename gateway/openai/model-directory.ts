/** Which names are served, and by which model of the backend: a fold of promotion events. */
export interface ModelDirectory {
  /** @returns undefined for a name that was never deployed */
  resolve(name: string): { backendName: string } | undefined;
  /** What answers when a request names no model: the alias that moved last. */
  active(): string | undefined;
  list(): { name: string; backendName: string; createdAt: Date }[];
}
