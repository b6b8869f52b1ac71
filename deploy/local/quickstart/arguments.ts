export interface QuickstartArguments {
  path: string;
  baseModel: string | undefined;
  question: string | undefined;
}

const usage = 'usage: npm run quickstart -- [path of a git repository] [--base-model <id or folder>] [--question <text>]';

/** @throws Error with the usage */
export function parseQuickstartArguments(args: readonly string[]): QuickstartArguments {
  const parsed: QuickstartArguments = { path: '.', baseModel: undefined, question: undefined };
  let paths = 0;
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i]!;
    const value = args[i + 1];
    if (arg === '--base-model' || arg === '--question') {
      if (value === undefined) throw new Error(`${arg} needs a value\n${usage}`);
      if (arg === '--question') parsed.question = value;
      else parsed.baseModel = value;
      i += 1;
    } else if (arg.startsWith('-')) throw new Error(`${arg}: no such option\n${usage}`);
    else if ((paths += 1) > 1) throw new Error(`more than one repository: ${arg}\n${usage}`);
    else parsed.path = arg;
  }
  return parsed;
}
