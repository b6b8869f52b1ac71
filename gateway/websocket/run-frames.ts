import { textFrame } from './text-frame.ts';

/** So much of a run is written at once: what a client has room for is looked at between two. */
const pieceBytes = 64 * 1024;

/**
 * Makes what a run of messages is on the wire: the frames of all, in as few pieces as go. Each message is encoded once,
 * however many watch it and in whatever runs, and each run put together once. Messages and runs are never changed.
 */
export function createRunFrames<Message extends object>(encode: (message: Message) => string): (run: readonly Message[]) => readonly Buffer[] {
  const frames = new WeakMap<Message, Buffer>();
  const frameOf = (message: Message): Buffer => {
    let frame = frames.get(message);
    if (frame === undefined) {
      frame = textFrame(encode(message));
      frames.set(message, frame);
    }
    return frame;
  };
  const made = new WeakMap<readonly Message[], readonly Buffer[]>();
  return (run) => {
    let pieces = made.get(run);
    if (pieces === undefined) {
      pieces = joined(run.map(frameOf));
      made.set(run, pieces);
    }
    return pieces;
  };
}

function joined(frames: readonly Buffer[]): Buffer[] {
  const pieces: Buffer[] = [];
  let piece: Buffer[] = [];
  let bytes = 0;
  const endPiece = (): void => {
    if (piece.length > 0) pieces.push(piece.length === 1 ? piece[0]! : Buffer.concat(piece, bytes));
    piece = [];
    bytes = 0;
  };
  for (const frame of frames) {
    if (bytes + frame.length > pieceBytes) endPiece();
    piece.push(frame);
    bytes += frame.length;
  }
  endPiece();
  return pieces;
}
