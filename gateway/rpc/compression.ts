import { Code, ConnectError } from '@connectrpc/connect';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import type { Compression } from '@connectrpc/connect/protocol';

/** What RPC messages may be compressed with. Bytes that can't be unpacked are the client's fault, which connect-node takes for its own. */
export const compressions: Compression[] = [compressionGzip, compressionBrotli].map((compression) => ({
  name: compression.name,
  compress: (bytes) => compression.compress(bytes),
  async decompress(bytes, maxBytes) {
    try {
      return await compression.decompress(bytes, maxBytes);
    } catch (error) {
      const { code } = ConnectError.from(error);
      throw code === Code.Internal ? new ConnectError(`the message is not valid ${compression.name}`, Code.InvalidArgument) : error;
    }
  },
}));
