export const javaQuery = `
(method_declaration name: (identifier) @name body: (block) @body) @method
(constructor_declaration name: (identifier) @name body: (constructor_body) @body) @method
(class_declaration name: (identifier) @name body: (class_body) @body) @class
(record_declaration name: (identifier) @name body: (class_body) @body) @class
(interface_declaration name: (identifier) @name body: (interface_body) @body) @type
(enum_declaration name: (identifier) @name body: (enum_body) @body) @type
(import_declaration (scoped_identifier) @specifier) @import
(method_invocation !object name: (identifier) @call)
(method_invocation object: [(identifier) (this)] @receiver name: (identifier) @call)
(object_creation_expression type: (type_identifier) @call)
`;
