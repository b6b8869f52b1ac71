import { setTimeout } from 'node:timers/promises';
import type { Fleet } from './fleet.ts';
import type { PlannedFault } from './plan.ts';
import type { Trouble } from './relay.ts';

/** Makes one fault, and mends it when its time is over. @returns false where it was left out */
export async function strike(fleet: Fleet, fault: PlannedFault): Promise<boolean> {
  const { target, forMs } = fault;
  const server = fleet.servers.get(target);
  if (server !== undefined) {
    await server.kill();
    await setTimeout(forMs);
    await server.start();
    return true;
  }
  const { process, relay, namespace, setClock } = fleet.members.get(target)!;
  switch (fault.kind) {
    case 'kill':
      await process.kill();
      return true;
    case 'stop':
      process.signal('SIGSTOP');
      await setTimeout(forMs);
      process.signal('SIGCONT');
      return true;
    case 'clock':
      await setClock(fault.aheadMs);
      await setTimeout(forMs);
      await setClock(0);
      return true;
    case 'cut':
      if (namespace === undefined) return false;
      await namespace.plug(false);
      await setTimeout(forMs);
      await namespace.plug(true);
      return true;
    case 'disk': {
      const { smallDisk } = fleet;
      if (typeof smallDisk === 'string') return false;
      await smallDisk.fill();
      await setTimeout(forMs);
      await smallDisk.free();
      return true;
    }
    default: {
      const trouble: Trouble = fault.kind === 'slow' || fault.kind === 'twice' ? { kind: fault.kind, holdMs: 2_000 } : { kind: fault.kind };
      relay.trouble(trouble);
      await setTimeout(forMs);
      relay.trouble(undefined);
      return true;
    }
  }
}
