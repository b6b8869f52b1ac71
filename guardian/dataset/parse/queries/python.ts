export const pythonQuery = `
(function_definition name: (identifier) @name body: (block) @body) @function
(class_definition name: (identifier) @name body: (block) @body) @class
(module . (expression_statement (string) @doc))
(block . (expression_statement (string) @doc))
(import_statement) @import
(import_from_statement) @import
(future_import_statement) @import
(call function: (identifier) @call)
(call function: (attribute object: (identifier) @receiver attribute: (identifier) @call))
`;
