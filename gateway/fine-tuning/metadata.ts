import { invalid } from '../../core/errors.ts';

/** @throws ForgeError invalid_argument */
export function checkMetadata(metadata: Readonly<Record<string, string>>): void {
  const entries = Object.entries(metadata);
  if (entries.length > 16) throw invalid('metadata', 'at most 16 pairs');
  for (const [key, value] of entries) {
    if (key === '' || key.length > 64) throw invalid('metadata', 'keys must have 1 to 64 characters');
    if (value.length > 512) throw invalid(`metadata.${key}`, 'must have at most 512 characters');
  }
}
