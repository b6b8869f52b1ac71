import t from 'tap';
import { createRunFrames } from '../../gateway/websocket/run-frames.ts';
import { textFrame } from '../../gateway/websocket/text-frame.ts';

interface Message {
  text: string;
}

t.test('a run is put together once, and a message encoded once in whatever runs it comes', (t) => {
  let encoded = 0;
  const framesOf = createRunFrames(({ text }: Message) => `${++encoded} ${text}`);
  const [one, two] = [{ text: 'a' }, { text: 'b' }];
  const run = [one, two];
  const frames = framesOf(run);
  t.equal(framesOf(run), frames);
  t.equal(frames.length, 1);
  t.ok(frames[0]!.equals(Buffer.concat([textFrame('1 a'), textFrame('2 b')])));
  t.ok(framesOf([two])[0]!.equals(textFrame('2 b')));
  t.equal(framesOf([one])[0], framesOf([one])[0]);
  t.equal(encoded, 2);
  t.end();
});

t.test('a long run comes in pieces of bounded length, whole frames in order', (t) => {
  const texts = ['x'.repeat(40_000), 'y'.repeat(30_000), 'z'.repeat(20_000), 'v'.repeat(200_000), 'w'];
  const frames = createRunFrames(({ text }: Message) => text)(texts.map((text) => ({ text })));
  const all = texts.map(textFrame);
  t.strictSame(frames.map(({ length }) => length), [all[0]!.length, all[1]!.length + all[2]!.length, all[3]!.length, all[4]!.length]);
  t.ok(Buffer.concat(frames).equals(Buffer.concat(all)));
  t.end();
});
