import type { Node } from 'web-tree-sitter';

const names = new Set(['identifier', 'field_identifier', 'qualified_identifier', 'destructor_name', 'operator_name']);
/** A pointer to a pointer to a pointer, and no deeper. */
const maxDepth = 8;

/** The name in a declarator of C or C++, without the signs around it. Undefined where it declares no plain function. */
export function declaredName(declarator: Node): Node | undefined {
  let node: Node | null = declarator;
  let isFunction = false;
  for (let depth = 0; node !== null && depth < maxDepth; depth += 1) {
    if (names.has(node.type)) return isFunction ? node : undefined;
    isFunction ||= node.type === 'function_declarator';
    // The grammar gives what a reference refers to no field.
    node = node.type === 'reference_declarator' ? node.firstNamedChild : node.childForFieldName('declarator');
  }
  return undefined;
}

/** Whether it is a class's or a struct's own, be it in there or outside with its name. */
export function isMember(definition: Node, name: Node): boolean {
  return name.type === 'qualified_identifier' || definition.parent?.type === 'field_declaration_list' || definition.parent?.parent?.type === 'field_declaration_list';
}
