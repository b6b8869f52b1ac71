/** What JavaScript and TypeScript share. A function is one whose body is a block: `x => x + 1` is an expression. */
const common = `
(function_declaration name: (identifier) @name body: (statement_block) @body) @function
(generator_function_declaration name: (identifier) @name body: (statement_block) @body) @function
(method_definition name: (_) @name body: (statement_block) @body) @method
(variable_declarator name: (identifier) @name value: (arrow_function body: (statement_block) @body)) @function
(variable_declarator name: (identifier) @name value: (function_expression body: (statement_block) @body)) @function
(assignment_expression left: (member_expression property: (property_identifier) @name) right: (function_expression body: (statement_block) @body)) @function
(assignment_expression left: (member_expression property: (property_identifier) @name) right: (arrow_function body: (statement_block) @body)) @function
(class_declaration name: (_) @name body: (class_body) @body) @class
(import_statement source: (string) @specifier) @import
(export_statement source: (string) @specifier) @import
(variable_declarator value: (call_expression function: (identifier) @require arguments: (arguments . (string) @specifier))) @import
(call_expression function: (import) arguments: (arguments . (string) @specifier)) @import
(call_expression function: (identifier) @call)
(call_expression function: (member_expression object: [(identifier) (this)] @receiver property: (property_identifier) @call))
(new_expression constructor: (identifier) @call)
`;

export const javascriptQuery = `${common}
(field_definition property: (property_identifier) @name value: (arrow_function body: (statement_block) @body)) @method
`;

export const typescriptQuery = `${common}
(abstract_class_declaration name: (_) @name body: (class_body) @body) @class
(public_field_definition name: (property_identifier) @name value: (arrow_function body: (statement_block) @body)) @method
(interface_declaration name: (type_identifier) @name body: (interface_body) @body) @type
(enum_declaration name: (identifier) @name body: (enum_body) @body) @type
(type_alias_declaration name: (type_identifier) @name value: (_) @body) @type
`;
