import { invalid } from '../../core/errors.ts';

/** What files are uploaded for. */
export const uploadPurpose = 'fine-tune';
/** What files are made for here. */
export const resultPurpose = 'fine-tune-results';

/** @throws ForgeError invalid_argument */
export function checkPurpose(purpose: string | undefined): string {
  if (purpose === undefined) throw invalid('purpose', `is required: "${uploadPurpose}"`);
  if (purpose !== uploadPurpose) throw invalid('purpose', `must be "${uploadPurpose}": files for "${purpose.slice(0, 40)}" are not taken`);
  return purpose;
}
