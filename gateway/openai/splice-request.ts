import { isKey, JsonScan } from './json-scan.ts';

/**
 * Replaces the value of the outermost `model` (every one of them, should the key be repeated) by `name`, and adds it
 * where it is missing. All other bytes stay as they came.
 * @param body a JSON object, already found well-formed, whose `model`, if any, is a string
 */
export function spliceRequestModel(body: Uint8Array, name: string): Uint8Array {
  const value = Buffer.from(JSON.stringify(name));
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.length);
  const scan = new JsonScan();
  const parts: Uint8Array[] = [];
  let copied = 0;
  let open = -1;
  let keyStart = 0;
  let valueStart = 0;
  let isModel = false;
  let found = false;
  for (let at = 0; at < body.length; at++) {
    const mark = scan.push(body[at]!);
    if (mark === 'object-open') open = at;
    else if (mark === 'key-start') keyStart = at;
    else if (mark === 'key-end') isModel = isKey(body.subarray(keyStart, at + 1), 'model');
    else if (mark === 'string-start') valueStart = at;
    else if (mark === 'string-end' && isModel) {
      parts.push(body.subarray(copied, valueStart), value);
      copied = at + 1;
      found = true;
    }
    at = scan.skipString(bytes, at);
  }
  parts.push(body.subarray(copied));
  if (found || open < 0) return Buffer.concat(parts);
  const rest = Buffer.from(body.subarray(open + 1));
  const comma = rest.toString().trimStart().startsWith('}') ? '' : ',';
  return Buffer.concat([body.subarray(0, open + 1), Buffer.from('"model":'), value, Buffer.from(comma), rest]);
}
