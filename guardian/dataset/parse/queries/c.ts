/** What C and C++ share. A function's name stands at any depth in its declarator: `char **bar(void)`. */
const common = `
(function_definition declarator: (_) @declarator body: (compound_statement) @body) @function
(struct_specifier name: (type_identifier) @name body: (field_declaration_list) @body) @type
(enum_specifier name: (type_identifier) @name body: (enumerator_list) @body) @type
(type_definition type: (struct_specifier !name body: (field_declaration_list) @body) declarator: (type_identifier) @name) @type
(preproc_include path: [(string_literal) (system_lib_string)] @specifier) @import
(call_expression function: (identifier) @call)
`;

export const cQuery = common;

export const cppQuery = `${common}
(class_specifier name: (type_identifier) @name body: (field_declaration_list) @body) @class
(namespace_definition name: (_) @name body: (declaration_list) @body) @module
`;
