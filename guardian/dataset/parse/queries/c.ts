/** What C and C++ share. */
const common = `
(function_definition declarator: (function_declarator declarator: (identifier) @name) body: (compound_statement) @body) @function
(function_definition declarator: (pointer_declarator declarator: (function_declarator declarator: (identifier) @name)) body: (compound_statement) @body) @function
(struct_specifier name: (type_identifier) @name body: (field_declaration_list) @body) @type
(enum_specifier name: (type_identifier) @name body: (enumerator_list) @body) @type
(type_definition type: (struct_specifier !name body: (field_declaration_list) @body) declarator: (type_identifier) @name) @type
(preproc_include path: [(string_literal) (system_lib_string)] @specifier) @import
(call_expression function: (identifier) @call)
`;

export const cQuery = common;

export const cppQuery = `${common}
(function_definition declarator: (function_declarator declarator: (field_identifier) @name) body: (compound_statement) @body) @method
(function_definition declarator: (function_declarator declarator: (qualified_identifier) @name) body: (compound_statement) @body) @method
(function_definition declarator: (reference_declarator (function_declarator declarator: [(identifier) (field_identifier) (qualified_identifier)] @name)) body: (compound_statement) @body) @function
(function_definition declarator: (pointer_declarator declarator: (function_declarator declarator: [(field_identifier) (qualified_identifier)] @name)) body: (compound_statement) @body) @method
(class_specifier name: (type_identifier) @name body: (field_declaration_list) @body) @class
(namespace_definition name: (_) @name body: (declaration_list) @body) @module
`;
