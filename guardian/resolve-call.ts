import type { MessageInitShape } from '@bufbuild/protobuf';
import { faultPoint } from '../core/fault.ts';
import { ResolveRequestSchema, ResolveResponseSchema, type ResolveRequest } from '../core/gen/aiforge/v1/guardian_pb.ts';
import { call, type Call } from './calls.ts';
import { createCoalescer } from './coalesce.ts';
import { resolveRef } from './git/ref.ts';
import { registeredAs } from './projects/find.ts';
import { openSource } from './projects/source.ts';
import { filePrefix, resolveSource, resolveTimeoutMs } from './resolve.ts';
import type { LookDeps } from './retrain/look.ts';
import { invalid } from '../core/errors.ts';

type Source = MessageInitShape<typeof ResolveResponseSchema>;

/** Tells the gateway which repository and commit a request means: a registered project, a path, or a folder's name. */
export function resolveCall(deps: LookDeps): Call {
  const shared = createCoalescer<Source>();
  return call({ name: 'Resolve', input: ResolveRequestSchema, output: ResolveResponseSchema }, async (request, { signal }) => {
    const { projectName, projectPath, ref } = request;
    const response = await shared(JSON.stringify([projectName, projectPath, ref]), () => resolve(request, deps, signal));
    faultPoint('guardian.resolve.answer');
    return { response, sequence: 0 };
  });
}

async function resolve({ projectName, projectPath, ref }: ResolveRequest, { ledger, mirrors, projectRoots }: LookDeps, signal: AbortSignal): Promise<Source> {
  const registered = projectPath === '' ? registeredAs(ledger, projectName) : undefined;
  if (registered !== undefined) {
    const { path, spec } = await openSource(registered, mirrors, projectRoots, signal);
    return { ...spec, commit: await resolveRef(path, ref || registered.ref || 'HEAD', resolveTimeoutMs) };
  }
  const source = await resolveSource({ projectName, projectPath }, { projectRoots, timeoutMs: resolveTimeoutMs });
  if (ref === '') return source;
  if (source.commit.startsWith(filePrefix)) throw invalid('ref', 'a training file has no refs');
  return { ...source, commit: await resolveRef(source.repository, ref, resolveTimeoutMs) };
}
