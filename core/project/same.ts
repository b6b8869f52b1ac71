import { clone, equals } from '@bufbuild/protobuf';
import { DecisionMadeSchema, ProjectRegisteredSchema, type DecisionMade, type ProjectRegistered } from '../gen/aiforge/v1/events_pb.ts';

export function sameRegistration(a: ProjectRegistered, b: ProjectRegistered): boolean {
  return equals(ProjectRegisteredSchema, a, b);
}

/** Whether a "no" rests on what the last one rested on. Time goes on, and a new figure of it alone is no news. */
export function sameDecision(a: DecisionMade, b: DecisionMade): boolean {
  return !a.retrain && !b.retrain && equals(DecisionMadeSchema, figuresOf(a), figuresOf(b));
}

/** The reason says them in words, the age among them. */
function figuresOf(decision: DecisionMade): DecisionMade {
  const copy = clone(DecisionMadeSchema, decision);
  copy.trigger = '';
  copy.reason = '';
  if (copy.metrics !== undefined) copy.metrics.ageHours = undefined;
  return copy;
}
