import { ForgeError } from '../errors.ts';

/** What a request for a project that is not registered is told. */
export function unknownProject(name: string): ForgeError {
  return new ForgeError('not_found', `name: there is no project "${name.slice(0, 100)}"`, { field: 'name' });
}
