/** What a label's key and value may be, a pool's name too. */
export const labelPattern = /^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$/;
export const labelRule = 'letters, digits, ".", "_", "/" and "-", beginning with a letter or digit, at most 63';
export const maxLabels = 16;
