/** A file as clients see it, without its contents. */
export interface FileView {
  id: string;
  /** Unix milliseconds. */
  createdAt: number;
  filename: string;
  purpose: string;
  bytes: number;
}
