import { fromBinary, fromJsonString, toBinary, toJsonString, type DescMessage, type JsonReadOptions, type JsonWriteOptions, type Message } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';

/** Between messages and their bytes. */
export interface Codec {
  /** @throws ConnectError invalid_argument */
  decode(desc: DescMessage, bytes: Uint8Array): Message;
  encode(desc: DescMessage, message: Message): Uint8Array;
}

export type JsonOptions = Partial<JsonReadOptions & JsonWriteOptions>;

const utf8 = new TextDecoder('utf-8', { fatal: true });

export const binaryCodec: Codec = {
  decode: (desc, bytes) => refusing('binary', desc, () => fromBinary(desc, bytes)),
  encode: (desc, message) => toBinary(desc, message),
};

export function createJsonCodec(options: JsonOptions = {}): Codec {
  return {
    // As Connect has it: fields of newer clients are not an error.
    decode: (desc, bytes) => refusing('JSON', desc, () => fromJsonString(desc, utf8.decode(bytes), { ignoreUnknownFields: true, ...options })),
    encode: (desc, message) => Buffer.from(toJsonString(desc, message, options)),
  };
}

function refusing<T>(form: string, desc: DescMessage, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new ConnectError(`cannot decode ${desc.typeName} from its ${form} form: ${(error as Error).message}`, Code.InvalidArgument);
  }
}
