// A small service for the supervisor's tests: toy-service.ts <ready after ms> [stubborn|crash|crash-before|grandchild ...]
import { spawn } from 'node:child_process';

const [after, ...traits] = process.argv.slice(2);
process.on('SIGTERM', () => {
  if (!traits.includes('stubborn')) process.exit(0);
});
if (traits.includes('crash-before')) {
  process.stderr.write('the reason why\n');
  process.exit(7);
}
if (traits.includes('grandchild')) {
  const child = spawn('/bin/sleep', ['300'], { stdio: 'ignore' });
  process.stdout.write(`grandchild ${child.pid}\n`);
}
setTimeout(() => process.stdout.write(`ready ${process.env['FORGE_PORT'] ?? 'none'}\n`), Number(after));
setInterval(() => {}, 1_000);
