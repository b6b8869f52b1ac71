import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { EventSchema, type Event } from '../gen/aiforge/v1/events_pb.ts';

type EventInit = NonNullable<MessageInitShape<typeof EventSchema>['kind']>;

/** `event('taskPaused', {})`: one event of the closed set. */
export function event<C extends NonNullable<EventInit['case']>>(name: C, value: Extract<EventInit, { case: C }>['value']): Event {
  return create(EventSchema, { kind: { case: name, value } as EventInit });
}
