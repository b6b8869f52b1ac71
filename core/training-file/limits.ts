/** Bytes of a training file, as large as OpenAI takes them. */
export const maxTrainingFileBytes = 512 << 20;
/** Bytes of one line of it. */
export const maxLineBytes = 1 << 20;
/** A dataset with fewer rows is refused: training on it learns these rows by heart, and no figure of it means much. */
export const minRows = Object.freeze({ train: 16, heldout: 2 });
