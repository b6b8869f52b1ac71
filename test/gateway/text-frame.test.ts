import t from 'tap';
import * as ws from 'ws';
import { textFrame } from '../../gateway/websocket/text-frame.ts';

const { Sender } = ws as unknown as { Sender: { frame(data: Buffer, options: object): Buffer[] } };

t.test('a frame is the one that ws makes, of each length’s form', async (t) => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 100_000]) {
    const text = 'é'.repeat(length >> 1) + 'x'.repeat(length & 1);
    const expected = Buffer.concat(Sender.frame(Buffer.from(text), { fin: true, opcode: 1, mask: false, readOnly: true, rsv1: false }));
    t.ok(textFrame(text).equals(expected), `${length} bytes`);
  }
});
