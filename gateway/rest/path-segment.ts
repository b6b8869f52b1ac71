import { invalid } from '../../core/errors.ts';

/**
 * The value of a path's field.
 * @param name of the field, for the message
 * @throws ForgeError invalid_argument where it is not valid
 */
export function decodeSegment(text: string, name: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(name, 'is not valid percent-encoded UTF-8');
  }
}
