/**
 * Globs over paths and tag names, matched in linear steps. They come from whoever wrote the repository, and a glob
 * that is compiled to a regular expression backtracks: measured, four stars against a name of 250 letters hold the
 * process for 72 s. Here the cost is at most (length of glob) x (length of path), whatever both say.
 *
 * `*` any characters but a slash, `?` one of them, `[a-z]` and `[!a-z]` a class, `{a,b}` alternatives (not nested),
 * `**` as a whole part any number of folders, none too. A leading dot is a character like any other.
 */
export type Matcher = (path: string) => boolean;

/** Alternatives that one glob may stand for. */
const maxAlternatives = 64;

/** @returns what is wrong with the glob and how to write it, undefined when it is fine */
export function globProblem(glob: string): string | undefined {
  if (glob === '') return 'must not be empty';
  if (glob.length > 500) return 'must be at most 500 characters long';
  if (/[\0-\x1f\x7f]/.test(glob)) return 'must not contain control characters';
  if (glob.startsWith('!')) return 'must not begin with "!": list what counts, not what does not';
  if (/[\\()|]/.test(glob)) return 'must not contain any of \\ ( ) |; use *, ?, [a-z], {a,b} and **';
  if (glob.startsWith('/') || glob.startsWith('./')) return 'must begin at the top of the repository, without a slash or "./"';
  if (glob.endsWith('/')) return `names a folder; for everything in it write ${glob}**`;
  if (glob.includes('//')) return 'must not contain an empty part ("//")';
  const braces = glob.replace(/\{[^{}]*\}/g, '');
  if (/[{}]/.test(braces)) return 'has braces that do not close, or braces in braces; write the alternatives out';
  if (/[[\]]/.test(glob.replace(/\[!?[^\[\]/{}]+\]/g, ''))) return 'has a bracket that does not close, or an empty one';
  const alternatives = [...glob.matchAll(/\{([^{}]*)\}/g)].reduce((count, [, inside]) => count * inside!.split(',').length, 1);
  if (alternatives > maxAlternatives) return `stands for ${alternatives} alternatives; at most ${maxAlternatives} are allowed`;
  if (expand(glob).some((plain) => plain.split('/').some((part) => part.includes('**') && part !== '**'))) return 'must have "**" as a part of its own, as in src/**/test';
  return undefined;
}

/** @param globs each without a problem by `globProblem` */
export function compileGlobs(globs: readonly string[]): Matcher {
  const patterns = globs.flatMap(expand).map((plain) => plain.split('/').map(compilePart));
  return (path) => {
    const parts = path.split('/');
    return patterns.some((pattern) => matchSteps(pattern, parts, (step) => step === undefined, (step, part) => matchPart(step!, part)));
  };
}

/** One character of a part; undefined is `*`. */
type Step = ((character: string) => boolean) | undefined;

/** undefined is `**`. */
function compilePart(part: string): Step[] | undefined {
  if (part === '**') return undefined;
  return [...part.matchAll(/\[(!?)([^\]]+)\]|[^]/gu)].map(([text, not, inside]): Step => {
    if (inside !== undefined) return characterClass(inside, not === '!');
    if (text === '*') return undefined;
    return text === '?' ? () => true : (character) => character === text;
  });
}

function characterClass(inside: string, not: boolean): Step {
  const ranges = [...inside.matchAll(/([^])-([^])|[^]/gu)].map(([one, from, to]) => [from ?? one, to ?? one] as const);
  return (character) => ranges.some(([from, to]) => from <= character && character <= to) !== not;
}

function matchPart(steps: readonly Step[], part: string): boolean {
  return matchSteps(steps, [...part], (step) => step === undefined, (step, character) => step!(character));
}

/**
 * Wildcard matching without backtracking further than the last star: what an earlier star took as its shortest
 * never needs to be longer, since the later star can take the difference.
 */
function matchSteps<S, V>(steps: readonly S[], values: readonly V[], isStar: (step: S) => boolean, fits: (step: S, value: V) => boolean): boolean {
  let step = 0;
  let value = 0;
  let star = -1;
  let resume = 0;
  while (value < values.length) {
    if (step < steps.length && isStar(steps[step]!)) {
      star = step++;
      resume = value;
    } else if (step < steps.length && fits(steps[step]!, values[value]!)) {
      step += 1;
      value += 1;
    } else if (star >= 0) {
      step = star + 1;
      value = ++resume;
    } else {
      return false;
    }
  }
  while (step < steps.length && isStar(steps[step]!)) step += 1;
  return step === steps.length;
}

/** `a{b,c}d` as `abd` and `acd`. */
function expand(glob: string): string[] {
  const found = /\{([^{}]*)\}/.exec(glob);
  if (found === null) return [glob];
  const [before, after] = [glob.slice(0, found.index), glob.slice(found.index + found[0].length)];
  return found[1]!.split(',').flatMap((inside) => expand(after).map((rest) => `${before}${inside}${rest}`));
}
