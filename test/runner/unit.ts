/** What the runner runs: a test file, the Python tests, the type check. */
export interface Unit {
  name: string;
  run(): Promise<Outcome>;
}

export interface Outcome {
  passed: number;
  failed: number;
  skips: string[];
  /** All there is to say about what failed. */
  report: string;
  seconds: number;
}
