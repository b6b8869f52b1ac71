import { DefaultDeserializer, DefaultSerializer } from 'node:v8';

/**
 * States as bytes and back, exactly: what JSON lacks is in them (bigint, undefined, bytes, infinities), and V8's own
 * structured clone has it all, keeps the order of keys, and reads what an older V8 wrote. It makes data alone, never code.
 * @throws Error for a value that holds functions, or views other than of bytes
 */
export function encodeStates(value: unknown): Buffer {
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return serializer.releaseBuffer();
}

/** @throws Error for what `encodeStates` did not write */
export function decodeStates(bytes: Uint8Array): unknown {
  const deserializer = new Deserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}

class Serializer extends DefaultSerializer {
  _writeHostObject(view: ArrayBufferView): void {
    if (!(view instanceof Uint8Array)) throw new TypeError(`a state holds a ${view.constructor.name}, which a snapshot can't hold`);
    this.writeUint32(view.length);
    this.writeRawBytes(view);
  }
}

class Deserializer extends DefaultDeserializer {
  /** A copy: the default one is a view, which would keep all of the file in memory. */
  _readHostObject(): Uint8Array {
    return new Uint8Array(this.readRawBytes(this.readUint32()));
  }
}
