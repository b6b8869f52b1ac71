import { projectAggregate } from '../../core/project/project.ts';
import type { Ledger } from '../../core/store/ledger.ts';
import type { Mirrors } from '../git/mirror.ts';

/**
 * Removes the mirrors of a project that was deleted, but for those of which another one is made now. One that is needed
 * again is fetched again.
 */
export async function removeMirrors(project: string, { ledger, mirrors }: { ledger: Ledger; mirrors: Mirrors }): Promise<void> {
  for (const url of ledger.head(projectAggregate, project).state.leftMirrors) {
    const needed = [...ledger.all(projectAggregate)].some(([name]) => ledger.head(projectAggregate, name).state.registration?.url === url);
    if (!needed) await mirrors.remove(url);
  }
}
