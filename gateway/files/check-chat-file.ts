import { ForgeError, invalid } from '../../core/errors.ts';
import { parseChatRow } from '../../core/training-file/chat-row.ts';
import { maxLineBytes, maxTrainingFileBytes } from '../../core/training-file/limits.ts';
import { createLineCutter, type Line } from '../../core/training-file/lines.ts';
import { createProblems } from '../../core/training-file/problems.ts';

export interface ChatFileCheck {
  /** Passes the bytes on, and looks at every line of them. @throws ForgeError too_large */
  pass(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>;
  /** Once all have passed: how many examples there are. @throws ForgeError invalid_argument, naming the first wrong lines */
  rows(): number;
}

/** Checks a training file in chat form while it is stored, in the memory of one line. */
export function createChatFileCheck(): ChatFileCheck {
  const cutter = createLineCutter(maxLineBytes);
  const problems = createProblems();
  let rows = 0;

  const look = ({ line, text, problem }: Line): void => {
    if (problem !== undefined) return problems.add(line, problem);
    if (text.trim() === '') return;
    const row = parseChatRow(text, line);
    if (typeof row === 'string') problems.add(line, row);
    else rows += 1;
  };

  return {
    async *pass(chunks) {
      let size = 0;
      for await (const chunk of chunks) {
        size += chunk.length;
        if (size > maxTrainingFileBytes) throw new ForgeError('too_large', `file: must have at most ${maxTrainingFileBytes} bytes`, { field: 'file' });
        for (const line of cutter.push(chunk)) look(line);
        yield chunk;
      }
      for (const line of cutter.end()) look(line);
    },
    rows() {
      const wrong = problems.text();
      if (wrong !== undefined) throw invalid('file', wrong);
      if (rows === 0) throw invalid('file', 'has no example; write one {"messages": [{"role", "content"}, ...]} a line');
      return rows;
    },
  };
}
