// The TypeScript client of mailagent, for browsers and Node, over grpc-web.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { AgentService } from "./gen/mailagent/v1/agent_service_pb.js";
import { ArchiveService, type Message, type StreamMessagesRequestSchema } from "./gen/mailagent/v1/archive_service_pb.js";
import { type Change, DirectoryService, type WatchChangesRequestSchema } from "./gen/mailagent/v1/directory_service_pb.js";
import { type TokenEvent, type WatchTokensRequestSchema } from "./gen/mailagent/v1/login_pb.js";
import { SettingsService } from "./gen/mailagent/v1/settings_service_pb.js";
import { type Match, SweepService, type WatchMatchesRequestSchema } from "./gen/mailagent/v1/sweep_service_pb.js";
import { type Delivery, watch, type WatchOptions } from "./watch.js";

export { Code, ConnectError } from "@connectrpc/connect";
export { BadRequestSchema, ErrorInfoSchema, QuotaFailureSchema, ResourceInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
export * from "./gen/mailagent/v1/agent_service_pb.js";
export * from "./gen/mailagent/v1/archive_service_pb.js";
export * from "./gen/mailagent/v1/directory_service_pb.js";
export * from "./gen/mailagent/v1/error_reason_pb.js";
export * from "./gen/mailagent/v1/login_pb.js";
export * from "./gen/mailagent/v1/settings_service_pb.js";
export * from "./gen/mailagent/v1/sweep_service_pb.js";
export * from "./gen/mailagent/v1/types_pb.js";
export * from "./watch.js";

/** Where the service is, and who calls. */
export interface ClientOptions {
  /** Such as `https://mailagent.example.com`. */
  baseUrl: string;
  /**
   * The bearer token, or what gives one for each call. Watches call it again when the service refuses the last one, which it does when
   * a token expires, and go on. Empty or absent: none is sent.
   */
  token?: string | (() => string | Promise<string>);
  /** Replaces the global `fetch`. */
  fetch?: typeof globalThis.fetch;
}

/** The services, and watches that resume automatically. */
export interface Clients {
  /** Agents: settings and health of mailboxes. */
  agents: Client<typeof AgentService>;
  /** The archive of messages. */
  archive: Client<typeof ArchiveService>;
  /** The CRM's users, customers, contacts and cases. */
  directory: Client<typeof DirectoryService>;
  /** The tenant's settings. */
  settings: Client<typeof SettingsService>;
  /** Outcomes, notes and matches. */
  sweep: Client<typeof SweepService>;
  /** Follows the matches of messages with cases, see `watch`. */
  watchMatches(request: MessageInitShape<typeof WatchMatchesRequestSchema>, options?: WatchOptions): AsyncGenerator<Delivery<Match>>;
  /** Follows what happens to the logins of agents and maintenance accounts, see `watch`. */
  watchTokens(request: MessageInitShape<typeof WatchTokensRequestSchema>, options?: WatchOptions): AsyncGenerator<Delivery<TokenEvent>>;
  /** Follows the archive's messages, first the old ones, then the new ones, see `watch`. */
  streamMessages(request: MessageInitShape<typeof StreamMessagesRequestSchema>, options?: WatchOptions): AsyncGenerator<Delivery<Message>>;
  /** Follows what the service makes for the CRM to copy, see `watch`. */
  watchChanges(request: MessageInitShape<typeof WatchChangesRequestSchema>, options?: WatchOptions): AsyncGenerator<Delivery<Change>>;
}

/** Makes the clients. Nothing is sent before the first call. */
export function createClients({ baseUrl, token, fetch }: ClientOptions): Clients {
  const tokens = typeof token === "function" ? "renewed" : "fixed";
  const transport = createGrpcWebTransport({ baseUrl, interceptors: [bearer(token)], ...(fetch && { fetch }) });
  const agents = createClient(AgentService, transport);
  const archive = createClient(ArchiveService, transport);
  const directory = createClient(DirectoryService, transport);
  const sweep = createClient(SweepService, transport);
  return {
    agents,
    archive,
    directory,
    settings: createClient(SettingsService, transport),
    sweep,
    watchMatches: (request, options) =>
      watch(
        request.cursor ?? "",
        (cursor, signal) => sweep.watchMatches({ ...request, cursor }, { signal }),
        (response) => response.match,
        { tokens, ...options },
      ),
    watchTokens: (request, options) =>
      watch(
        request.cursor ?? "",
        (cursor, signal) => agents.watchTokens({ ...request, cursor }, { signal }),
        (response) => response.event,
        { tokens, ...options },
      ),
    streamMessages: (request, options) =>
      watch(
        request.cursor ?? "",
        (cursor, signal) => archive.streamMessages({ ...request, cursor }, { signal }),
        (response) => response.message,
        { tokens, ...options },
      ),
    watchChanges: (request, options) =>
      watch(
        request.cursor ?? "",
        (cursor, signal) => directory.watchChanges({ cursor }, { signal }),
        (response) => response.change,
        { tokens, ...options },
      ),
  };
}

/** Adds the token to each call. */
function bearer(token: ClientOptions["token"]): Interceptor {
  return (next) => async (request) => {
    let value: string | undefined;
    try {
      value = typeof token === "function" ? await token() : token;
    } catch (reason) {
      throw new ConnectError("no token is available", Code.Unauthenticated, undefined, undefined, reason);
    }
    if (value) request.header.set("authorization", `Bearer ${value}`);
    return next(request);
  };
}
