import type { Schema } from '../schema.ts';
import { object, text, unixSeconds } from './shared.ts';

export const modelObject: Schema = object({ id: text, object: { const: 'model' }, created: unixSeconds, owned_by: text });
export const deletedObject = (kind: string): Schema => object({ id: text, object: { const: kind }, deleted: { type: 'boolean' } });
