import { pipeline } from 'node:stream/promises';
import { invalid } from '../../../core/errors.ts';
import { checkLimit } from '../../cursor-page.ts';
import type { FileService } from '../../files/service.ts';
import { contextOf } from '../call-context.ts';
import { numberIn, readListQuery } from '../list-query.ts';
import type { OpenAiRoute } from '../routes.ts';
import { sendOpenAi } from '../send.ts';
import { fileObject } from './file-object.ts';
import { dropRest, readFileForm } from './read-form.ts';

/** Uploading, listing, reading and deleting files. */
export function createFileRoutes(files: FileService): OpenAiRoute[] {
  return [
    {
      verb: 'POST',
      path: '/v1/files',
      async handle({ request, response }) {
        const context = contextOf({ request, response });
        try {
          const file = await files.upload(await readFileForm(request), context);
          sendOpenAi(response, 200, fileObject(file));
        } catch (error) {
          await dropRest(request);
          throw error;
        }
      },
    },
    {
      verb: 'GET',
      path: '/v1/files',
      async handle({ response, query }) {
        const fields = readListQuery(query(), ['purpose', 'limit', 'order', 'after']);
        const order = fields.get('order') ?? 'desc';
        if (order !== 'asc' && order !== 'desc') throw invalid('order', 'must be asc or desc');
        const limit = checkLimit(numberIn(fields, 'limit'), { standard: 10_000, most: 10_000 });
        const page = await files.list({ purpose: fields.get('purpose'), after: fields.get('after'), limit, order });
        const data = page.items.map(fileObject);
        sendOpenAi(response, 200, { object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more: page.hasMore });
      },
    },
    { verb: 'GET', path: '/v1/files/{file_id}', handle: async ({ response, values }) => sendOpenAi(response, 200, fileObject(await files.get(values['file_id']!))) },
    {
      verb: 'DELETE',
      path: '/v1/files/{file_id}',
      async handle({ response, values }) {
        const id = values['file_id']!;
        await files.remove(id);
        sendOpenAi(response, 200, { id, object: 'file', deleted: true });
      },
    },
    {
      verb: 'GET',
      path: '/v1/files/{file_id}/content',
      async handle({ response, values }) {
        const { file, chunks } = await files.contents(values['file_id']!);
        response.writeHead(200, {
          'content-type': file.purpose === 'fine-tune' ? 'application/jsonl' : 'text/csv',
          'content-length': file.bytes,
          'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
        });
        await pipeline(chunks, response);
      },
    },
  ];
}
