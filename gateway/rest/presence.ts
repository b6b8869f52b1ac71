import type { DescField } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';

/** Whether "not set" can be told from "zero": optional fields, messages, members of a oneof. */
export function hasPresence(field: DescField): boolean {
  if (field.fieldKind === 'message') return true;
  return (field.fieldKind === 'scalar' || field.fieldKind === 'enum') && field.presence !== FeatureSet_FieldPresence.IMPLICIT;
}
