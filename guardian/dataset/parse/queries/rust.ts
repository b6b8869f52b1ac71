export const rustQuery = `
(function_item name: (identifier) @name body: (block) @body) @function
(struct_item name: (type_identifier) @name body: (_) @body) @type
(enum_item name: (type_identifier) @name body: (_) @body) @type
(trait_item name: (type_identifier) @name body: (_) @body) @type
(impl_item type: (type_identifier) @name body: (declaration_list) @body) @scope
(impl_item type: (generic_type type: (type_identifier) @name) body: (declaration_list) @body) @scope
(mod_item name: (identifier) @name body: (declaration_list) @body) @module
(mod_item name: (identifier) @specifier !body) @import
(use_declaration argument: (_) @specifier) @import
(call_expression function: (identifier) @call)
(call_expression function: (scoped_identifier path: (identifier) @receiver name: (identifier) @call))
(call_expression function: (field_expression value: (self) @receiver field: (field_identifier) @call))
`;
