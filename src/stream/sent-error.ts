import { type ErrorCode, LifeboatError } from '../error.js';

/** Structured cloning drops an error's class and fields, so they travel by name. */
export interface SentError {
  message: string;
  stack: string | undefined;
  lifeboat: { code: ErrorCode; hint: string | undefined; offset: number | undefined } | undefined;
}

export function sendError(error: unknown): SentError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const lifeboat =
    error instanceof LifeboatError ? { code: error.code, hint: error.hint, offset: error.offset } : undefined;
  return { message, stack, lifeboat };
}

/** The error as it was thrown in the worker. */
export function receiveError({ message, stack, lifeboat }: SentError): Error {
  if (lifeboat !== undefined) {
    const { code, hint, offset } = lifeboat;
    return new LifeboatError(code, message, { hint, offset });
  }
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
