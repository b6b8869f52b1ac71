/** An option of a command line. @throws Error that names the option and the remedy */
export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) throw new Error(`${name}: must be a whole number from ${min} to ${max}, not "${text}"`);
  return value;
}
