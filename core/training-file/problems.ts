/** So many wrong lines are named; the rest is counted. */
const namedProblems = 10;

/** Collects what is wrong with the lines of a training file. */
export function createProblems() {
  const named: string[] = [];
  let count = 0;
  return {
    /** @param line from 1 */
    add(line: number, problem: string): void {
      count += 1;
      if (named.length < namedProblems) named.push(`line ${line}: ${problem}`);
    },
    /** @returns undefined where nothing is wrong */
    text(): string | undefined {
      if (count === 0) return undefined;
      const rest = count > named.length ? `; and ${count - named.length} more` : '';
      return `${count} wrong line${count === 1 ? '' : 's'}: ${named.join('; ')}${rest}`;
    },
  };
}
