/** Which names are served, and by which model of the backend. */
export interface ModelDirectory {
  /** @returns undefined for a name that is not known */
  resolve(name: string): { backendName: string } | undefined;
  /** What answers when a request names no model: the alias that moved last. */
  active(): string | undefined;
  list(): ListedModel[];
  /** Looks again at what the backend has, where that counts. Never throws. */
  refresh?(): Promise<void>;
}

export interface ListedModel {
  name: string;
  backendName: string;
  createdAt: Date;
}

/**
 * Deletes a model that AI Forge deployed.
 * @throws ForgeError not_found, wrong_state (the alias points to it), permission_denied (a base model), unavailable,
 * unimplemented (an upstream's own)
 */
export type DeleteModel = (name: string, signal: AbortSignal) => Promise<void>;
