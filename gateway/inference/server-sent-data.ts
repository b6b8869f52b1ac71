import { ForgeError } from '../../core/errors.ts';

const eventLimit = 1024 * 1024;

/**
 * The data of each server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html); other fields are left out.
 * @throws ForgeError unavailable for an event of more than 1 Mi characters
 */
export async function* serverSentData(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = '';
  let data: string[] = [];
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    text = lines.pop()!;
    if (text.length > eventLimit) throw new ForgeError('unavailable', 'The inference backend sent an event that is too long');
    for (const line of lines) {
      if (line === '' && data.length > 0) {
        yield data.join('\n');
        data = [];
      } else if (line.startsWith('data:')) {
        data.push(line.slice(line[5] === ' ' ? 6 : 5));
      }
    }
  }
}
