// Streams that go on after a broken connection, from the last cursor.

import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";

import { RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";

/** A cursor that asks for everything that is kept. */
export const EARLIEST = "EARLIEST";

/** A cursor that asks for only what comes from now on. Watches other than of messages take an empty one for it. */
export const LATEST = "LATEST";

/** A response of a watch. */
export interface Delivery<Event> {
  /** The position after this delivery: a later watch that starts here misses nothing. Never empty. */
  cursor: string;
  /** What happened. Absent in a bookmark: everything up to `cursor` has been delivered. */
  event: Event | undefined;
}

/** How a watch behaves. */
export interface WatchOptions {
  /** Ends the watch, without an error. */
  signal?: AbortSignal;
  /** Limit of the first wait before calling again, in milliseconds. Waits are a random part of a limit that doubles. Default 500. */
  firstDelayMs?: number;
  /** Limit of all waits, unless the service asks for a longer one, in milliseconds. Default 30,000. */
  maxDelayMs?: number;
  /** Failures in a row, without any response between them, after which the error is thrown. Default: never. */
  giveUpAfter?: number;
  /** Silence after which the far end is taken for dead, in milliseconds. A bookmark comes every 15 seconds. Default 60,000. */
  silenceMs?: number;
  /** Whether each call sends a freshly requested token, so that a rejected one is worth another call. `createClients` sets it. */
  tokens?: "fixed" | "renewed";
  /** Told of each failure that is tried again, for a log. */
  onRetry?: (error: ConnectError, delayMs: number) => void;
}

/**
 * Follows the stream that `open` starts at a cursor, and starts it again where it broke: when the service stops (UNAVAILABLE), or
 * the connection breaks or is silent, or the token has expired and there is a fresh one. Any other error is thrown, also when the
 * fresh token is rejected too.
 *
 * Every event comes at least once, in order, none is skipped. An event may come again after a break, so drop repeats by its id, or
 * store the cursor together with what was done about the event. Leaving the loop ends the call.
 */
export async function* watch<Response extends { cursor: string }, Event>(
  cursor: string,
  open: (cursor: string, signal: AbortSignal) => AsyncIterable<Response>,
  event: (response: Response) => Event | undefined,
  options: WatchOptions = {},
): AsyncGenerator<Delivery<Event>, void, undefined> {
  const { signal, firstDelayMs = 500, maxDelayMs = 30_000, giveUpAfter = Infinity, silenceMs = 60_000, tokens = "fixed", onRetry } = options;
  let renewed = false;
  for (let failures = 0; !signal?.aborted; ) {
    const call = new AbortController();
    const abort = () => call.abort();
    signal?.addEventListener("abort", abort);
    let silence = setTimeout(abort, silenceMs);
    let error: ConnectError;
    try {
      for await (const response of open(cursor, call.signal)) {
        clearTimeout(silence);
        failures = 0;
        renewed = false;
        cursor = response.cursor;
        yield { cursor, event: event(response) };
        silence = setTimeout(abort, silenceMs);
      }
      error = new ConnectError("the stream ended", Code.Unavailable);
    } catch (reason) {
      error = call.signal.aborted ? new ConnectError("the service is silent", Code.Unavailable) : ConnectError.from(reason);
    } finally {
      clearTimeout(silence);
      signal?.removeEventListener("abort", abort);
      // Leaving the loop above does not end the request by itself.
      abort();
    }
    if (signal?.aborted) return;
    if (isRefused(error) && tokens === "renewed" && !renewed) {
      renewed = true;
      onRetry?.(error, 0);
      continue;
    }
    failures += 1;
    if (!isPassing(error) || failures >= giveUpAfter) throw error;
    // Random, so that the clients of a service that restarts do not all come back at once.
    const wait = Math.random() * Math.min(maxDelayMs, firstDelayMs * 2 ** (failures - 1));
    const asked = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
    const delay = wait + (asked ? durationMs(asked) : 0);
    onRetry?.(error, delay);
    await sleep(delay, signal);
  }
}

/**
 * Whether the same call may succeed later on. What the service did not say itself (`isWireError`) is a broken connection (Unknown) or
 * a response that was cut off (InvalidArgument), unless an HTTP status says otherwise.
 */
function isPassing(error: ConnectError): boolean {
  return error.code === Code.Unavailable || (!error.isWireError && (error.code === Code.Unknown || error.code === Code.InvalidArgument));
}

/** Whether the token was rejected. An unavailable token has a cause. */
function isRefused(error: ConnectError): boolean {
  return error.code === Code.Unauthenticated && (error.isWireError || error.cause === undefined);
}

/** Waits, or returns early when the signal comes. */
function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}
