import type { PipelineCommandType } from '../../core/pipeline/commands.ts';

/**
 * What each command makes of each state: the error's code; or the events in order, and what they come to (status, what
 * stands beside it, the present step); or "-" for a repeat, which changes nothing.
 */
export const cells: Readonly<Record<string, Readonly<Record<PipelineCommandType, string>>>> = {
  none: {
    approve: 'not_found', 'request-step': 'not_found', 'accept-step': 'not_found', 'complete-step': 'not_found', 'fail-step': 'not_found', 'decide-gate': 'not_found', 'fail-gate': 'not_found', pause: 'not_found', 'settle-pause': 'not_found', resume: 'not_found', 'step-resumed': 'not_found', cancel: 'not_found', 'settle-cancel': 'not_found',
    plan: 'pipelinePlanned > running: extract_data pending, try 1',
  },
  'waiting_approval': {
    plan: 'already_exists', 'request-step': '-', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    approve: 'pipelineApproved > running: extract_data pending, try 1',
    cancel: 'pipelineCancelRequested pipelineCancelled > cancelled: extract_data pending, try 1',
  },
  pending: {
    plan: 'already_exists', approve: 'wrong_state', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'decide-gate': '-', 'fail-gate': '-', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'request-step': 'stepRequested > running: extract_data requested, try 1',
    pause: 'pipelinePauseRequested pipelinePaused > paused: extract_data pending, try 1',
    cancel: 'pipelineCancelRequested pipelineCancelled > cancelled: extract_data pending, try 1',
  },
  requested: {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'decide-gate': '-', 'fail-gate': '-', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'accept-step': 'stepAccepted > running: extract_data running, try 1',
    'complete-step': 'stepCompleted > running: validate_data pending, try 1',
    'fail-step': 'stepFailed > running: extract_data pending, try 2',
    pause: 'pipelinePauseRequested > running, pause requested: extract_data requested, try 1',
    cancel: 'pipelineCancelRequested > running, cancel requested: extract_data requested, try 1',
  },
  running: {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'complete-step': 'stepCompleted > running: validate_data pending, try 1',
    'fail-step': 'stepFailed > running: extract_data pending, try 2',
    pause: 'pipelinePauseRequested > running, pause requested: extract_data running, try 1',
    cancel: 'pipelineCancelRequested > running, cancel requested: extract_data running, try 1',
  },
  'running again': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'complete-step': 'stepCompleted > running: validate_data pending, try 1',
    'fail-step': 'stepFailed pipelineFailed > failed: extract_data failed, try 2',
    pause: 'pipelinePauseRequested > running, pause requested: extract_data running, try 2',
    cancel: 'pipelineCancelRequested > running, cancel requested: extract_data running, try 2',
  },
  'requested, pause requested': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'accept-step': 'stepAccepted > running, pause requested: extract_data running, try 1',
    'complete-step': 'stepCompleted pipelinePaused > paused: validate_data pending, try 1',
    'fail-step': 'stepFailed pipelinePaused > paused: extract_data pending, try 2',
    'settle-pause': 'pipelinePaused > paused: extract_data requested, try 1',
    cancel: 'pipelineCancelRequested > running, cancel requested: extract_data requested, try 1',
  },
  'requested, cancel requested': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', cancel: '-',
    'accept-step': 'stepAccepted > running, cancel requested: extract_data running, try 1',
    'complete-step': 'stepCompleted pipelineCancelled > cancelled: validate_data pending, try 1',
    'fail-step': 'stepFailed pipelineCancelled > cancelled: extract_data pending, try 2',
    'settle-cancel': 'pipelineCancelled > cancelled: extract_data requested, try 1',
  },
  'running, pause requested': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'complete-step': 'stepCompleted pipelinePaused > paused: validate_data pending, try 1',
    'fail-step': 'stepFailed pipelinePaused > paused: extract_data pending, try 2',
    'settle-pause': 'pipelinePaused > paused: extract_data running, try 1',
    cancel: 'pipelineCancelRequested > running, cancel requested: extract_data running, try 1',
  },
  'running, cancel requested': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', cancel: '-',
    'complete-step': 'stepCompleted pipelineCancelled > cancelled: validate_data pending, try 1',
    'fail-step': 'stepFailed pipelineCancelled > cancelled: extract_data pending, try 2',
    'settle-cancel': 'pipelineCancelled > cancelled: extract_data running, try 1',
  },
  paused: {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', 'step-resumed': '-', 'settle-cancel': '-',
    resume: 'pipelineResumed > running: extract_data pending, try 1',
    cancel: 'pipelineCancelRequested pipelineCancelled > cancelled: extract_data pending, try 1',
  },
  'paused with a task': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', 'step-resumed': '-', 'settle-cancel': '-',
    'complete-step': 'stepCompleted > paused: validate_data pending, try 1',
    'fail-step': 'stepFailed > paused: extract_data pending, try 2',
    resume: 'pipelineResumed > running, resuming: extract_data running, try 1',
    cancel: 'pipelineCancelRequested > paused, cancel requested: extract_data running, try 1',
  },
  'paused with a task, cancel requested': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', cancel: '-',
    'complete-step': 'stepCompleted pipelineCancelled > cancelled: validate_data pending, try 1',
    'fail-step': 'stepFailed pipelineCancelled > cancelled: extract_data pending, try 2',
    'settle-cancel': 'pipelineCancelled > cancelled: extract_data running, try 1',
  },
  resuming: {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', 'settle-pause': '-', resume: 'wrong_state', 'settle-cancel': '-',
    'complete-step': 'stepCompleted > running: validate_data pending, try 1',
    'fail-step': 'stepFailed > running: extract_data pending, try 2',
    pause: 'pipelinePauseRequested > running, pause requested, resuming: extract_data running, try 1',
    'step-resumed': 'stepResumed > running: extract_data running, try 1',
    cancel: 'pipelineCancelRequested > running, cancel requested, resuming: extract_data running, try 1',
  },
  'resuming, pause requested': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: '-', resume: 'wrong_state', 'settle-cancel': '-',
    'complete-step': 'stepCompleted pipelinePaused > paused: validate_data pending, try 1',
    'fail-step': 'stepFailed pipelinePaused > paused: extract_data pending, try 2',
    'settle-pause': 'pipelinePaused > paused: extract_data running, try 1',
    'step-resumed': 'stepResumed > running, pause requested: extract_data running, try 1',
    cancel: 'pipelineCancelRequested > running, cancel requested, resuming: extract_data running, try 1',
  },
  'paused while resuming': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', 'step-resumed': '-', 'settle-cancel': '-',
    'complete-step': 'stepCompleted > paused: validate_data pending, try 1',
    'fail-step': 'stepFailed > paused: extract_data pending, try 2',
    resume: 'pipelineResumed > running, resuming: extract_data running, try 1',
    cancel: 'pipelineCancelRequested > paused, cancel requested: extract_data running, try 1',
  },
  'validation requested': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'decide-gate': '-', 'fail-gate': '-', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'accept-step': 'stepAccepted > running: validate_data running, try 1',
    'complete-step': 'stepCompleted > running: train pending, try 1',
    'fail-step': 'stepFailed > running: validate_data pending, try 2',
    pause: 'pipelinePauseRequested > running, pause requested: validate_data requested, try 1',
    cancel: 'pipelineCancelRequested > running, cancel requested: validate_data requested, try 1',
  },
  'validation requested, paused': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', 'step-resumed': '-', 'settle-cancel': '-',
    'accept-step': 'stepAccepted > paused: validate_data running, try 1',
    'complete-step': 'stepCompleted > paused: train pending, try 1',
    'fail-step': 'stepFailed > paused: validate_data pending, try 2',
    resume: 'pipelineResumed > running: validate_data requested, try 1',
    cancel: 'pipelineCancelRequested > paused, cancel requested: validate_data requested, try 1',
  },
  'gate due': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'decide-gate': 'gateDecided > running: export pending, try 1',
    'fail-gate': 'pipelineFailed > failed: export pending, try 1',
    pause: 'pipelinePauseRequested pipelinePaused > paused: export pending, try 1',
    cancel: 'pipelineCancelRequested pipelineCancelled > cancelled: export pending, try 1',
  },
  'gate due, paused': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', pause: 'wrong_state', 'settle-pause': '-', 'step-resumed': '-', 'settle-cancel': '-',
    'decide-gate': 'gateDecided > paused: export pending, try 1',
    'fail-gate': 'pipelineFailed > failed: export pending, try 1',
    resume: 'pipelineResumed > running: export pending, try 1',
    cancel: 'pipelineCancelRequested pipelineCancelled > cancelled: export pending, try 1',
  },
  'gate passed': {
    plan: 'already_exists', approve: 'wrong_state', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'decide-gate': '-', 'fail-gate': '-', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'request-step': 'stepRequested > running: export requested, try 1',
    pause: 'pipelinePauseRequested pipelinePaused > paused: export pending, try 1',
    cancel: 'pipelineCancelRequested pipelineCancelled > cancelled: export pending, try 1',
  },
  'last step': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'complete-step': 'stepCompleted pipelineCompleted > completed: no step left',
    'fail-step': 'stepFailed > running: deploy pending, try 2',
    pause: 'pipelinePauseRequested > running, pause requested: deploy running, try 1',
    cancel: 'pipelineCancelRequested > running, cancel requested: deploy running, try 1',
  },
  'last step, pause requested': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: '-', resume: 'wrong_state', 'step-resumed': '-', 'settle-cancel': '-',
    'complete-step': 'stepCompleted pipelineCompleted > completed: no step left',
    'fail-step': 'stepFailed pipelinePaused > paused: deploy pending, try 2',
    'settle-pause': 'pipelinePaused > paused: deploy running, try 1',
    cancel: 'pipelineCancelRequested > running, cancel requested: deploy running, try 1',
  },
  'last step, cancel requested': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', cancel: '-',
    'complete-step': 'stepCompleted pipelineCompleted > completed: no step left',
    'fail-step': 'stepFailed pipelineCancelled > cancelled: deploy pending, try 2',
    'settle-cancel': 'pipelineCancelled > cancelled: deploy running, try 1',
  },
  'last step, paused': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', 'step-resumed': '-', 'settle-cancel': '-',
    'complete-step': 'stepCompleted pipelineCompleted > completed: no step left',
    'fail-step': 'stepFailed > paused: deploy pending, try 2',
    resume: 'pipelineResumed > running, resuming: deploy running, try 1',
    cancel: 'pipelineCancelRequested > paused, cancel requested: deploy running, try 1',
  },
  completed: {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', cancel: 'wrong_state', 'settle-cancel': '-',
  },
  refused: {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', cancel: 'wrong_state', 'settle-cancel': '-',
  },
  failed: {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', cancel: 'wrong_state', 'settle-cancel': '-',
  },
  cancelled: {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', cancel: 'wrong_state', 'settle-cancel': '-',
  },
  'cancelled while resuming': {
    plan: 'already_exists', approve: 'wrong_state', 'request-step': '-', 'accept-step': '-', 'complete-step': '-', 'fail-step': '-', 'decide-gate': '-', 'fail-gate': '-', pause: 'wrong_state', 'settle-pause': '-', resume: 'wrong_state', 'step-resumed': '-', cancel: 'wrong_state', 'settle-cancel': '-',
  },
};
