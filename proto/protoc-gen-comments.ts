// A plugin of buf: writes the comments of aiforge.v1 as a table by full name, for /openapi.json. The descriptors in the
// generated code carry none.
import type { AnyDesc } from '@bufbuild/protobuf';
import { createEcmaScriptPlugin, getComments, runNodeJs } from '@bufbuild/protoplugin';
import type { DescMessage } from '@bufbuild/protobuf';

const text = (desc: AnyDesc): string => (getComments(desc as never).leading ?? '').split('\n').map((line) => line.trim()).filter(Boolean).join(' ');

function* messages(all: readonly DescMessage[]): Generator<DescMessage> {
  for (const message of all) {
    yield message;
    yield* messages(message.nestedMessages);
  }
}

runNodeJs(createEcmaScriptPlugin({
  name: 'protoc-gen-comments',
  version: 'v1',
  generateTs(schema) {
    const files = schema.files.filter((file) => file.proto.package === 'aiforge.v1');
    if (files.length === 0) return;
    const entries: [string, string][] = [];
    const add = (name: string, desc: AnyDesc): void => {
      const comment = text(desc);
      if (comment !== '') entries.push([name, comment]);
    };
    for (const file of files) {
      for (const service of file.services) {
        add(service.typeName, service);
        for (const method of service.methods) add(`${service.typeName}.${method.name}`, method);
      }
      for (const message of messages(file.messages)) {
        add(message.typeName, message);
        for (const field of message.fields) add(`${message.typeName}.${field.name}`, field);
      }
      for (const each of file.enums) {
        add(each.typeName, each);
        for (const value of each.values) add(`${each.typeName}.${value.name}`, value);
      }
    }
    const out = schema.generateFile('aiforge/v1/comments.ts');
    out.print('// Made by proto/protoc-gen-comments.ts from the proto files; do not edit.');
    out.print('/** Comments of services, methods, messages, fields and enums, by full name. */');
    out.print('export const comments: Readonly<Record<string, string>> = {');
    for (const [name, comment] of entries.sort(([a], [b]) => (a < b ? -1 : 1))) out.print('  ', JSON.stringify(name), ': ', JSON.stringify(comment), ',');
    out.print('};');
  },
}));
