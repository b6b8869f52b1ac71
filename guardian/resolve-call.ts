import type { MessageInitShape } from '@bufbuild/protobuf';
import { faultPoint } from '../core/fault.ts';
import { ResolveRequestSchema, ResolveResponseSchema, type ResolveRequest } from '../core/gen/aiforge/v1/guardian_pb.ts';
import { call, type Call } from './calls.ts';
import { createCoalescer } from './coalesce.ts';
import { resolveRef } from './git/ref.ts';
import { projectOf, registeredAs } from './projects/find.ts';
import { projectTrainedOn } from './projects/trained.ts';
import { openSource } from './projects/source.ts';
import { filePrefix, resolveSource, resolveTimeoutMs } from './resolve.ts';
import type { LookDeps } from './retrain/look.ts';
import { invalid } from '../core/errors.ts';

type Source = MessageInitShape<typeof ResolveResponseSchema>;

/** Tells the gateway which repository, commit and project a request means: a registered project, a path, or a folder's name. */
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
    return { ...spec, projectName, commit: await resolveRef(path, ref || registered.ref || 'HEAD', resolveTimeoutMs) };
  }
  const source = await resolveSource({ projectName, projectPath }, { projectRoots, timeoutMs: resolveTimeoutMs });
  const isFile = source.commit.startsWith(filePrefix);
  if (projectName === '') {
    // What was registered or trained a moment ago counts.
    await ledger.catchUp(signal);
    projectName = isFile ? (projectTrainedOn(ledger, source.repository) ?? '') : projectOf(ledger, source.repository);
  }
  if (ref === '') return { ...source, projectName };
  if (isFile) throw invalid('ref', 'a training file has no refs');
  return { ...source, projectName, commit: await resolveRef(source.repository, ref, resolveTimeoutMs) };
}
