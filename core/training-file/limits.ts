/** Bytes of a training file, as large as OpenAI takes them. */
export const maxTrainingFileBytes = 512 << 20;
/** Bytes of one line of it. */
export const maxLineBytes = 1 << 20;
