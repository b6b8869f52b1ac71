export const goQuery = `
(function_declaration name: (identifier) @name body: (block) @body) @function
(method_declaration receiver: (parameter_list) @owner name: (field_identifier) @name body: (block) @body) @method
(type_declaration (type_spec name: (type_identifier) @name type: [(struct_type) (interface_type)] @body)) @type
(import_spec path: (interpreted_string_literal) @specifier) @import
(call_expression function: (identifier) @call)
(call_expression function: (selector_expression operand: (identifier) @receiver field: (field_identifier) @call))
`;
