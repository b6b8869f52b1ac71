import { type DescFile, type DescMessage, type DescExtension } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';

export interface FileIndex {
  byName(name: string): DescFile | undefined;
  /** By the full name of a service, method, message, field, oneof, enum, enum value or extension. */
  bySymbol(symbol: string): DescFile | undefined;
  byExtension(type: string, number: number): DescFile | undefined;
  /** Undefined where there is no such message. */
  extensionNumbers(type: string): number[] | undefined;
}

/** Where each symbol of the given files, and of all that they import, is defined. */
export function indexFiles(roots: readonly DescFile[]): FileIndex {
  const files = new Map<string, DescFile>();
  const add = (file: DescFile): void => {
    // A generated file is named without its ending.
    const name = file.proto.name;
    if (files.has(name)) return;
    files.set(name, file);
    file.dependencies.forEach(add);
  };
  roots.forEach(add);

  const symbols = new Map<string, DescFile>();
  const messages = new Set<string>();
  const extensions: DescExtension[] = [];
  for (const file of files.values()) {
    for (const type of nestedTypes(file)) {
      symbols.set(type.typeName, file);
      if (type.kind === 'message') {
        messages.add(type.typeName);
        for (const name of memberNames(type)) symbols.set(`${type.typeName}.${name}`, file);
      } else if (type.kind === 'enum') {
        // Values live beside their enum, not in it.
        const scope = type.typeName.slice(0, -type.name.length);
        for (const value of type.values) symbols.set(`${scope}${value.name}`, file);
      } else if (type.kind === 'extension') {
        extensions.push(type);
      } else {
        for (const method of type.methods) symbols.set(`${type.typeName}.${method.name}`, file);
      }
    }
  }
  return {
    byName: (name) => files.get(name),
    bySymbol: (symbol) => symbols.get(symbol),
    byExtension: (type, number) => extensions.find((e) => e.extendee.typeName === type && e.number === number)?.file,
    extensionNumbers: (type) => (messages.has(type) ? extensions.filter((e) => e.extendee.typeName === type).map((e) => e.number) : undefined),
  };
}

function memberNames(message: DescMessage): string[] {
  return [...message.fields, ...message.oneofs].map((member) => member.name);
}
