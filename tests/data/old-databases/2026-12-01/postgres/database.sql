CREATE TABLE address (
    tenant_id text NOT NULL,
    address_key text NOT NULL,
    owner_kind text NOT NULL,
    owner_id text NOT NULL,
    customer_id text NOT NULL,
    PRIMARY KEY (tenant_id, address_key, owner_kind, owner_id)
);

CREATE TABLE agent (
    tenant_id text NOT NULL,
    id text NOT NULL,
    owner_user text NOT NULL,
    kind text NOT NULL,
    from_name text NOT NULL,
    from_address text NOT NULL,
    disabled boolean NOT NULL,
    endpoint text NOT NULL,
    mailbox text NOT NULL,
    username text NOT NULL,
    password_sealed bytea,
    case_sweep boolean NOT NULL,
    archive boolean NOT NULL,
    create_contacts boolean NOT NULL,
    keep_full_message boolean NOT NULL,
    version bigint NOT NULL,
    create_time bigint NOT NULL,
    update_time bigint NOT NULL,
    campaign_compatible boolean DEFAULT false NOT NULL,
    smtp_host text DEFAULT ''::text NOT NULL,
    smtp_port integer DEFAULT 0 NOT NULL,
    smtp_security text DEFAULT 'starttls'::text NOT NULL,
    smtp_authentication text,
    connection_type text DEFAULT 'user_credentials'::text NOT NULL,
    maintenance_account text DEFAULT ''::text NOT NULL,
    triage boolean DEFAULT false NOT NULL,
    calendar boolean DEFAULT false NOT NULL,
    case_reference_purge boolean DEFAULT false NOT NULL,
    authentication_method text,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE agent_health (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    state text NOT NULL,
    problem text NOT NULL,
    server_reply text NOT NULL,
    last_success bigint,
    problem_since bigint,
    retry_at bigint,
    failures integer NOT NULL,
    handled bigint NOT NULL,
    matched bigint NOT NULL,
    set_aside bigint NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);

CREATE TABLE agent_leftover (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);

CREATE TABLE audit_entry (
    tenant_id text NOT NULL,
    id text NOT NULL,
    time bigint NOT NULL,
    user_id text NOT NULL,
    resource text NOT NULL,
    action text NOT NULL,
    changes text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE audit_read (
    tenant_id text NOT NULL,
    id text NOT NULL,
    time bigint NOT NULL,
    user_id text NOT NULL,
    resource text NOT NULL,
    method text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE blob (
    tenant_id text NOT NULL,
    hash bytea NOT NULL,
    size bigint NOT NULL,
    stored_size bigint NOT NULL,
    data bytea,
    PRIMARY KEY (tenant_id, hash)
);

CREATE TABLE contact (
    tenant_id text NOT NULL,
    id text NOT NULL,
    customer_id text NOT NULL,
    display_name text NOT NULL,
    addresses text NOT NULL,
    revision bigint NOT NULL,
    created_by_service boolean NOT NULL,
    deleted boolean NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE crm_case (
    tenant_id text NOT NULL,
    id text NOT NULL,
    customer_id text NOT NULL,
    reference text NOT NULL,
    reference_key text,
    title text NOT NULL,
    revision bigint NOT NULL,
    deleted boolean NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE crm_user (
    tenant_id text NOT NULL,
    id text NOT NULL,
    display_name text NOT NULL,
    addresses text NOT NULL,
    revision bigint NOT NULL,
    deleted boolean NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE customer (
    tenant_id text NOT NULL,
    id text NOT NULL,
    display_name text NOT NULL,
    revision bigint NOT NULL,
    deleted boolean NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE default_agent (
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    agent_id text NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);

CREATE TABLE directory_claim (
    provider text NOT NULL,
    directory text NOT NULL,
    tenant_id text NOT NULL,
    create_time bigint NOT NULL,
    PRIMARY KEY (provider, directory)
);

CREATE TABLE event (
    tenant_id text NOT NULL,
    position bigint NOT NULL,
    id text NOT NULL,
    kind text NOT NULL,
    payload text NOT NULL,
    time bigint NOT NULL,
    PRIMARY KEY (tenant_id, "position")
);

CREATE TABLE folder_position (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    folder text NOT NULL,
    state text,
    version bigint NOT NULL,
    update_time bigint NOT NULL,
    source text,
    total bigint,
    look_time bigint,
    PRIMARY KEY (tenant_id, agent_id, folder)
);

CREATE TABLE installation (
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE lease (
    kind text NOT NULL,
    tenant_id text NOT NULL,
    id text NOT NULL,
    holder text NOT NULL,
    until bigint NOT NULL,
    fence bigint NOT NULL,
    signal integer NOT NULL,
    PRIMARY KEY (kind, tenant_id, id)
);

CREATE TABLE login (
    tenant_id text NOT NULL,
    source text NOT NULL,
    id text NOT NULL,
    usage text NOT NULL,
    provider text NOT NULL,
    account text NOT NULL,
    user_id text NOT NULL,
    state text NOT NULL,
    problem text NOT NULL,
    provider_reply text NOT NULL,
    made_time bigint NOT NULL,
    renew_time bigint NOT NULL,
    expire_time bigint,
    warned_seconds bigint,
    warn_at bigint,
    refresh_sealed bytea,
    access_sealed bytea,
    access_expire_time bigint,
    renew_at bigint NOT NULL,
    failures integer NOT NULL,
    failing_since bigint,
    failing_problem text NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id, source)
);

CREATE TABLE login_attempt (
    tenant_id text NOT NULL,
    id text NOT NULL,
    user_id text NOT NULL,
    source text NOT NULL,
    provider text NOT NULL,
    redirect_url text NOT NULL,
    secrets_sealed bytea NOT NULL,
    expire_time bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE mail_linking (
    tenant_id text NOT NULL,
    address_key text NOT NULL,
    contact_id text NOT NULL,
    done_to bigint NOT NULL,
    PRIMARY KEY (tenant_id, address_key)
);

CREATE TABLE mailbox_item (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    folder text NOT NULL,
    source_key bytea NOT NULL,
    message_number bigint,
    withheld integer DEFAULT 0 NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, folder, source_key)
);

CREATE TABLE maintenance_account (
    tenant_id text NOT NULL,
    id text NOT NULL,
    display_name text NOT NULL,
    kind text NOT NULL,
    endpoint text NOT NULL,
    username text NOT NULL,
    password_sealed bytea,
    problem text NOT NULL,
    version bigint NOT NULL,
    create_time bigint NOT NULL,
    update_time bigint NOT NULL,
    login_address text DEFAULT ''::text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE message (
    number BIGSERIAL NOT NULL,
    tenant_id text NOT NULL,
    id text NOT NULL,
    identity bytea NOT NULL,
    position bigint NOT NULL,
    message_id text NOT NULL,
    direction text NOT NULL,
    subject text NOT NULL,
    from_name text NOT NULL,
    from_address text,
    recipients text NOT NULL,
    preview text NOT NULL,
    links text NOT NULL,
    agents text NOT NULL,
    sent bigint NOT NULL,
    received bigint NOT NULL,
    archived bigint NOT NULL,
    size bigint NOT NULL,
    stored_size bigint NOT NULL,
    blob_hash bytea NOT NULL,
    attachment_count integer NOT NULL,
    automatic text,
    unlinked boolean NOT NULL,
    PRIMARY KEY (number)
);

CREATE TABLE message_party (
    tenant_id text NOT NULL,
    address_key text NOT NULL,
    message_number bigint NOT NULL,
    customer_id text NOT NULL,
    contact_id text NOT NULL,
    position bigint NOT NULL,
    sent bigint NOT NULL,
    PRIMARY KEY (tenant_id, address_key, message_number, customer_id)
);

CREATE TABLE message_search (
    number bigint NOT NULL,
    words tsvector NOT NULL,
    PRIMARY KEY (number)
);

CREATE TABLE note (
    tenant_id text NOT NULL,
    id text NOT NULL,
    case_id text NOT NULL,
    case_reference text NOT NULL,
    customer_id text NOT NULL,
    contact_id text,
    contact_created boolean NOT NULL,
    agent_id text NOT NULL,
    archived_id text,
    message_id text NOT NULL,
    sender_name text NOT NULL,
    sender_address text,
    sender_key text NOT NULL,
    subject text NOT NULL,
    text text NOT NULL,
    quoted text NOT NULL,
    automatic text,
    sender_not_authentic boolean NOT NULL,
    received bigint NOT NULL,
    create_time bigint NOT NULL,
    identity bytea NOT NULL,
    blob_hash bytea,
    size bigint NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE outcome (
    tenant_id text NOT NULL,
    id text NOT NULL,
    agent_id text NOT NULL,
    folder text NOT NULL,
    source_id text NOT NULL,
    result text NOT NULL,
    detail text NOT NULL,
    subject text NOT NULL,
    sender_name text NOT NULL,
    sender_address text,
    message_id text NOT NULL,
    automatic text,
    case_id text,
    note_id text,
    contact_id text,
    archived_id text,
    candidates text NOT NULL,
    size bigint NOT NULL,
    received bigint NOT NULL,
    handled bigint NOT NULL,
    identity bytea NOT NULL,
    blob_hash bytea,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE request (
    tenant_id text NOT NULL,
    method text NOT NULL,
    request_id text NOT NULL,
    content_hash bytea NOT NULL,
    resource_id text NOT NULL,
    create_time bigint NOT NULL,
    PRIMARY KEY (tenant_id, method, request_id)
);

CREATE TABLE seaql_migrations (
    version character varying NOT NULL,
    applied_at bigint NOT NULL,
    PRIMARY KEY (version)
);

CREATE TABLE secret_warning (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    expire_time bigint NOT NULL,
    warned_seconds bigint NOT NULL,
    PRIMARY KEY (tenant_id, provider)
);

CREATE TABLE suspect (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    source_key bytea NOT NULL,
    deaths integer NOT NULL,
    update_time bigint NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, source_key)
);

CREATE TABLE tenant_key (
    tenant_id text NOT NULL,
    wrapped bytea NOT NULL,
    create_time bigint NOT NULL,
    PRIMARY KEY (tenant_id)
);

CREATE TABLE tenant_position (
    tenant_id text NOT NULL,
    last bigint NOT NULL,
    oldest bigint NOT NULL,
    PRIMARY KEY (tenant_id)
);

CREATE TABLE tenant_settings (
    tenant_id text NOT NULL,
    choices text NOT NULL,
    acknowledged_by text,
    acknowledged_time bigint,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id)
);

CREATE TABLE token_revocation (
    tenant_id text NOT NULL,
    id text NOT NULL,
    provider text NOT NULL,
    token_sealed bytea NOT NULL,
    create_time bigint NOT NULL,
    retry_at bigint NOT NULL,
    failures integer NOT NULL,
    account text DEFAULT ''::text NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX address_owner ON public.address USING btree (tenant_id, owner_kind, owner_id);

CREATE INDEX agent_maintenance_account ON public.agent USING btree (tenant_id, maintenance_account);

CREATE INDEX agent_owner ON public.agent USING btree (tenant_id, owner_user, id);

CREATE INDEX audit_entry_resource ON public.audit_entry USING btree (tenant_id, resource, id);

CREATE INDEX audit_read_resource ON public.audit_read USING btree (tenant_id, resource, id);

CREATE INDEX audit_read_user ON public.audit_read USING btree (tenant_id, user_id, id);

CREATE INDEX contact_customer ON public.contact USING btree (tenant_id, customer_id, id);

CREATE INDEX crm_case_customer ON public.crm_case USING btree (tenant_id, customer_id, id);

CREATE UNIQUE INDEX crm_case_reference ON public.crm_case USING btree (tenant_id, reference_key);

CREATE INDEX default_agent_agent ON public.default_agent USING btree (tenant_id, agent_id);

CREATE INDEX event_time ON public.event USING btree ("time");

CREATE INDEX lease_holder ON public.lease USING btree (holder, kind);

CREATE INDEX login_attempt_expire ON public.login_attempt USING btree (expire_time);

CREATE INDEX login_provider ON public.login USING btree (provider, tenant_id);

CREATE INDEX login_renew ON public.login USING btree (renew_at);

CREATE INDEX login_warn ON public.login USING btree (warn_at);

CREATE INDEX mailbox_item_message ON public.mailbox_item USING btree (tenant_id, message_number);

CREATE UNIQUE INDEX message_id ON public.message USING btree (tenant_id, id);

CREATE UNIQUE INDEX message_identity ON public.message USING btree (tenant_id, identity);

CREATE INDEX message_party_message ON public.message_party USING btree (tenant_id, message_number);

CREATE INDEX message_party_position ON public.message_party USING btree (tenant_id, customer_id, "position");

CREATE INDEX message_party_sent ON public.message_party USING btree (tenant_id, customer_id, sent, message_number);

CREATE UNIQUE INDEX message_position ON public.message USING btree (tenant_id, "position");

CREATE INDEX message_search_words ON public.message_search USING gin (words);

CREATE INDEX message_sent ON public.message USING btree (tenant_id, sent, number);

CREATE INDEX note_agent ON public.note USING btree (tenant_id, agent_id, id);

CREATE UNIQUE INDEX note_identity ON public.note USING btree (tenant_id, case_id, identity);

CREATE INDEX note_sender ON public.note USING btree (tenant_id, sender_key, received);

CREATE INDEX outcome_agent ON public.outcome USING btree (tenant_id, agent_id, id);

CREATE INDEX outcome_identity ON public.outcome USING btree (tenant_id, identity);

CREATE INDEX outcome_message_id ON public.outcome USING btree (tenant_id, message_id);

CREATE INDEX token_revocation_retry ON public.token_revocation USING btree (retry_at);

INSERT INTO address (tenant_id, address_key, owner_kind, owner_id, customer_id) VALUES
('acme', 'anna@example.com', 'agent', '01M83XJ8802V5274CE0FKHXT0Y', ''),
('acme', 'anna@example.com', 'agent', '01M83XJ8802V5274CE0FKHXT1H', ''),
('acme', 'anna@example.com', 'user', 'anna', ''),
('acme', 'bert@example.com', 'agent', '01M83XJ8802V5274CE0FKHXT11', ''),
('acme', 'bert@example.com', 'agent', '01M83XJ8802V5274CE0FKHXT1P', ''),
('acme', 'bert@example.com', 'user', 'bert', ''),
('acme', 'carl@example.com', 'agent', '01M83XJ8802V5274CE0FKHXT1E', ''),
('acme', 'carl@example.com', 'user', 'carl', ''),
('acme', 'eva@oak.example', 'contact', 'eva', 'oak'),
('acme', 'ina@oak.example', 'contact', '01M83XJ8802V5274CE0FKHXT2B', 'oak'),
('acme', 'stranger@ash.example', 'contact', 'ida', 'oak'),
('acme', 'tom@elm.example', 'contact', 'tom', 'elm'),
('other', 'anna@example.com', 'user', 'anna', ''),
('other', 'bert@example.com', 'user', 'bert', ''),
('other', 'eva@oak.example', 'contact', 'eva', 'oak'),
('other', 'tom@elm.example', 'contact', 'tom', 'elm');

INSERT INTO agent (tenant_id, id, owner_user, kind, from_name, from_address, disabled, endpoint, mailbox, username, password_sealed, case_sweep, archive, create_contacts, keep_full_message, version, create_time, update_time, campaign_compatible, smtp_host, smtp_port, smtp_security, smtp_authentication, connection_type, maintenance_account, triage, calendar, case_reference_purge, authentication_method) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'anna', 'exchange_ews', 'anna', 'anna@example.com', false, 'http://{mail-server}/EWS/Exchange.asmx', '', 'anna@example.com', '\x0145d9c4c0325056b9552f79306167bd8fd1b6ac87837f3ccb9610f723b8b3ce3e90e9afd904837ce7deb06899ad89a19ed4bd78a6389590b3', true, true, true, true, 1, 1795428000000000, 1795428000000000, false, '', 0, 'starttls', NULL, 'user_credentials', '', false, false, false, NULL),
('acme', '01M83XJ8802V5274CE0FKHXT11', 'bert', 'exchange_ews', 'bert', 'bert@example.com', false, 'http://{mail-server}/EWS/Exchange.asmx', '', '', NULL, true, true, true, true, 1, 1795428000000000, 1795428000000000, false, '', 0, 'starttls', NULL, 'user_credentials', '', false, false, false, 'modern'),
('acme', '01M83XJ8802V5274CE0FKHXT1E', 'carl', 'exchange_ews', 'Carl', 'carl@example.com', false, '', '', '', NULL, true, false, false, false, 1, 1795428000000000, 1795428000000000, false, '', 0, 'starttls', NULL, 'maintenance_account', '01M83XJ8802V5274CE0FKHXT1B', false, false, false, NULL),
('acme', '01M83XJ8802V5274CE0FKHXT1H', 'anna', 'smtp', 'Anna', 'anna@example.com', false, '', '', 'anna', '\x0196ac81f4b8f619ce4e258ef0a64082b7d11a446715824bf15a96f2f2a66b7c37deeb321b14d761a963a43685', false, false, false, false, 1, 1795428000000000, 1795428000000000, true, 'smtp.example.com', 2525, 'tls', 'password', 'user_credentials', '', false, false, false, NULL),
('acme', '01M83XJ8802V5274CE0FKHXT1P', 'bert', 'exchange_ews', 'bert', 'bert@example.com', false, 'http://{mail-server}/EWS/Exchange.asmx', '', '', NULL, true, true, true, true, 1, 1795428000000000, 1795428000000000, false, '', 0, 'starttls', NULL, 'user_credentials', '', false, false, false, 'modern');

INSERT INTO agent_health (tenant_id, agent_id, state, problem, server_reply, last_success, problem_since, retry_at, failures, handled, matched, set_aside) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'ok', '', '', 1795428000000000, NULL, NULL, 0, 7, 2, 1),
('acme', '01M83XJ8802V5274CE0FKHXT11', 'ok', '', '', 1795428000000000, NULL, NULL, 0, 1, 1, 0),
('acme', '01M83XJ8802V5274CE0FKHXT1E', 'ok', '', '', 1795428000000000, NULL, NULL, 0, 1, 1, 0),
('acme', '01M83XJ8802V5274CE0FKHXT1H', 'ok', '', '', NULL, NULL, NULL, 0, 0, 0, 0),
('acme', '01M83XJ8802V5274CE0FKHXT1P', 'authentication_required', 'Nobody has logged in to this mailbox yet. It uses modern authentication, so passwords are not used.', '', NULL, 1795428000000000, NULL, 0, 0, 0, 0);

INSERT INTO agent_leftover (tenant_id, agent_id) VALUES
('acme', '01ARZ3NDEKTSV4RRFFQ69G5FAV'),
('acme', '01M83XJ8802V5274CE0FKHXT1V');

INSERT INTO audit_entry (tenant_id, id, time, user_id, resource, action, changes) VALUES
('acme', '01M83XJ8802V5274CE0FKHXSZV', 1795428000000000, 'anna', 'tenantSettings', 'updated', '[{"field":"authentication_method","old":"basic","new":"modern"}]'),
('acme', '01M83XJ8802V5274CE0FKHXSZX', 1795428000000000, 'anna', 'tenantSettings', 'updated', E'[{"field":"internal_domains","old":"[]","new":"[\\"example.com\\"]"}]'),
('acme', '01M83XJ8802V5274CE0FKHXSZZ', 1795428000000000, 'anna', 'tenantSettings', 'updated', E'[{"field":"storage_acknowledgement","old":"","new":"{\\"acknowledge_time\\":\\"2026-11-23T10:00:00Z\\",\\"user\\":\\"users/anna\\"}"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT0H', 1795428000000000, 'anna', 'adminConsents/example.com', 'updated', '[{"field":"authentication","old":"","new":"11111111-2222-3333-4444-555555555555 at contoso since 2026-11-23T10:00:00Z"},{"field":"authentication.confirmed_by","old":"","new":"whoever logged in as 11111111-2222-3333-4444-555555555555, by the button of the service''s page"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT0M', 1795428000000000, 'anna', 'tenantSettings', 'updated', E'[{"field":"allow_private_networks","old":"false","new":"true"},{"field":"allow_unencrypted_smtp","old":"false","new":"true"},{"field":"authentication_method","old":"modern","new":"basic"},{"field":"loop_limit_per_sender","old":"200","new":"70"},{"field":"loop_limit_per_sender_and_case","old":"20","new":"7"},{"field":"read_audit_retention_days","old":"365","new":"90"},{"field":"sender_check","old":"refuse","new":"warn"},{"field":"triage_licence_count","old":"0","new":"3"},{"field":"trusted_authserv_ids","old":"[]","new":"[\\"mx.example.com\\"]"},{"field":"trusted_certificates","old":"[]","new":"[{\\"host\\":\\"mail.example.com\\",\\"sha256_fingerprint\\":\\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\\"}]"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT0Z', 1795428000000000, 'anna', 'agents/01M83XJ8802V5274CE0FKHXT0Y', 'created', '[{"field":"exchange.archive","old":"","new":"true"},{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"user_credentials"},{"field":"exchange.endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"exchange.password","old":"","new":"changed"},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"","new":"true"},{"field":"exchange.sweep_options.keep_full_message","old":"","new":"true"},{"field":"exchange.username","old":"","new":"anna@example.com"},{"field":"from_address","old":"","new":"anna@example.com"},{"field":"from_name","old":"","new":"anna"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/anna"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT12', 1795428000000000, 'anna', 'agents/01M83XJ8802V5274CE0FKHXT11', 'created', '[{"field":"exchange.archive","old":"","new":"true"},{"field":"exchange.authentication_method","old":"","new":"modern"},{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"user_credentials"},{"field":"exchange.endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"","new":"true"},{"field":"exchange.sweep_options.keep_full_message","old":"","new":"true"},{"field":"from_address","old":"","new":"bert@example.com"},{"field":"from_name","old":"","new":"bert"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/bert"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT18', 1795428000000000, 'anna', 'agents/01M83XJ8802V5274CE0FKHXT11', 'updated', '[{"field":"authentication","old":"","new":"bert@example.com at contoso since 2026-11-23T10:00:00Z"},{"field":"authentication.confirmed_by","old":"","new":"whoever logged in as bert@example.com, by the button of the service''s page"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT1C', 1795428000000000, 'anna', 'maintenanceAccounts/01M83XJ8802V5274CE0FKHXT1B', 'created', '[{"field":"display_name","old":"","new":"Service"},{"field":"endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"password","old":"","new":"changed"},{"field":"username","old":"","new":"service"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT1F', 1795428000000000, 'anna', 'agents/01M83XJ8802V5274CE0FKHXT1E', 'created', '[{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"maintenance_account"},{"field":"exchange.maintenance_account","old":"","new":"maintenanceAccounts/01M83XJ8802V5274CE0FKHXT1B"},{"field":"from_address","old":"","new":"carl@example.com"},{"field":"from_name","old":"","new":"Carl"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/carl"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT1J', 1795428000000000, 'anna', 'agents/01M83XJ8802V5274CE0FKHXT1H', 'created', '[{"field":"campaign_compatible","old":"","new":"true"},{"field":"from_address","old":"","new":"anna@example.com"},{"field":"from_name","old":"","new":"Anna"},{"field":"kind","old":"","new":"smtp"},{"field":"owner_user","old":"","new":"users/anna"},{"field":"smtp.authentication","old":"","new":"password"},{"field":"smtp.host","old":"","new":"smtp.example.com"},{"field":"smtp.password","old":"","new":"changed"},{"field":"smtp.port","old":"","new":"2525"},{"field":"smtp.security","old":"","new":"tls"},{"field":"smtp.username","old":"","new":"anna"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT1M', 1795428000000000, 'anna', 'users/anna/defaultAgent', 'updated', '[{"field":"agent","old":"","new":"agents/01M83XJ8802V5274CE0FKHXT1H"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT1Q', 1795428000000000, 'anna', 'agents/01M83XJ8802V5274CE0FKHXT1P', 'created', '[{"field":"exchange.archive","old":"","new":"true"},{"field":"exchange.authentication_method","old":"","new":"modern"},{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"user_credentials"},{"field":"exchange.endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"","new":"true"},{"field":"exchange.sweep_options.keep_full_message","old":"","new":"true"},{"field":"from_address","old":"","new":"bert@example.com"},{"field":"from_name","old":"","new":"bert"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/bert"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT1W', 1795428000000000, 'anna', 'agents/01M83XJ8802V5274CE0FKHXT1V', 'created', '[{"field":"exchange.archive","old":"","new":"true"},{"field":"exchange.authentication_method","old":"","new":"modern"},{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"user_credentials"},{"field":"exchange.endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"","new":"true"},{"field":"exchange.sweep_options.keep_full_message","old":"","new":"true"},{"field":"from_address","old":"","new":"anna@example.com"},{"field":"from_name","old":"","new":"anna"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/anna"}]'),
('acme', '01M83XJ8802V5274CE0FKHXT1Y', 1795428000000000, 'anna', 'agents/01M83XJ8802V5274CE0FKHXT1V', 'deleted', '[{"field":"exchange.archive","old":"true","new":""},{"field":"exchange.authentication_method","old":"modern","new":""},{"field":"exchange.case_sweep","old":"true","new":""},{"field":"exchange.connection_type","old":"user_credentials","new":""},{"field":"exchange.endpoint","old":"http://{mail-server}/EWS/Exchange.asmx","new":""},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"true","new":""},{"field":"exchange.sweep_options.keep_full_message","old":"true","new":""},{"field":"from_address","old":"anna@example.com","new":""},{"field":"from_name","old":"anna","new":""},{"field":"kind","old":"exchange_ews","new":""},{"field":"owner_user","old":"users/anna","new":""}]'),
('other', '01M83XJ8802V5274CE0FKHXT05', 1795428000000000, 'olga', 'tenantSettings', 'updated', E'[{"field":"internal_domains","old":"[]","new":"[\\"example.com\\"]"}]'),
('other', '01M83XJ8802V5274CE0FKHXT07', 1795428000000000, 'olga', 'tenantSettings', 'updated', E'[{"field":"storage_acknowledgement","old":"","new":"{\\"acknowledge_time\\":\\"2026-11-23T10:00:00Z\\",\\"user\\":\\"users/olga\\"}"}]');

INSERT INTO audit_read (tenant_id, id, time, user_id, resource, method) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT3N', 1795428000000000, 'anna', 'messages/01M83XJ8802V5274CE0FKHXT24', 'GetMessage'),
('acme', '01M83XJ8802V5274CE0FKHXT3Q', 1795428000000000, 'anna', 'notes/01M83XJ8802V5274CE0FKHXT23', 'GetNote');

INSERT INTO blob (tenant_id, hash, size, stored_size, data) VALUES
('acme', '\x0236193bbed610f2c2b68e5ce08ea1068a7dcc39d4a6953961dc05202521fbde', 174, 169, '\x28b52ffd20ae85040052c91f2050853a07809948f232aebed558080fe46413acaa3b1bb70906021c551342c607ba1096dc5d5297d4f4e8d2b554143b8625c7943d95b72671b4c452b6a36b7757f0ddb6db0cfb025b7601a838817df0a0f3d6931b5db1a3087e42dd60042c742d0e4208c3efb1727eeff0061f5d5d01381e686492ccc4961ec729df1c8c8804005187227d20b3a8a0b6d92c03990000000236193bae00000000864b01'),
('acme', '\x096e0c1acd9650121735573cfb98373f57b190df503d8b09a74548deaf6c6c25', 14, 30, '\x6e6f2068656164657220686572650e000080096e0c1a0e00000000546e01'),
('acme', '\x136fc651f681f635cabd2e3ab5c0f8072ec1056bc0f76a5a8840e2abaff8108b', 184, 174, '\x28b52ffd20b8ad04007289202030a5aa0ede9d86b58b9607dd5a89ee8dc2488269856c7d8241c7377080860115ac2dce3d9ec253b8a858bb20c7c739a5d2aecd1f1429ad604a5b624df0ddb7fb0a7b02b3cc03e6f401f3444ee9af2b43acb955a8c35fb59a9100a05873e2b49687a5e4e62ca5e16f56ac397d39220ff4d2e0f9b084cd1196d113819e90bf381f88050051871f606c90a92070f70e67730f9e000000136fc651b800000000514301'),
('acme', '\x835fd0fc7313756fa148a68399b475fa620224a6154485d5a4990d1e66b9366c', 310, 231, '\x28b52ffd6036006d0600324d2a223089aa0d8436c9ab9b0007f5f0232cc495e45fd32cc6f187991f784a4406548782019889a3b5ab4e4997ce060e26e6739c5858119b9861fd96b376beac5d83899c3de2c8adca757324a97ae2e7cc0d4c4c4432498b318700e451fc96af6281b0635114333055550d575dd51dd00b28aafcd1053f280768cdf8f25b0a4c86a47eb4c537aa9aef83f8e04968acd6d6f2d51ac1b71d4c046b28e109812d05669ee367f9739cf8b2764d0c003cf3f70f31b4029066666405c482611f72193c1257574ca898e165b1a05365d7000000835fd0fc3601000000455301'),
('acme', '\x8b0fd75279243d78ee804ae2a15bb1e275436a22500268a9eb2b6092934c1e43', 204, 193, '\x28b52ffd20cc45050032cb25224089b60d80c4685caad5ca658b97c7fe4100d93a061595aef3d6df987c46b9d3052e98cb81f97a536f4ac181890961154558b24f10764eadc76b28ed9e023311a95dce81515c6387785a18289cb0ad3103535515e0aa493511e8071a6d3ee9830b340f60cd7862b70b4c7e1404f5a1be7b084feee185c76b6026563f8bb38c2de2cb98e2a91d981c45d636f0c2b0edec849f564b0a0204009e30cc4ce04ff088f166930cb10000008b0fd752cc000000003c2a01'),
('acme', '\xd8ef3f46aea89b2b912bac3de77d8e2021e4eee3d99c3be4ff4c474ba7542ef7', 178, 172, '\x28b52ffd20b29d04004209202020c56c0ea3f357bba5ec21b63440fb0a2c53010883fec6de11420b10225a7010ba4ab3fc5d5a975683d2d57d708438ebbb48e93eca65f1839a2599b2a77317259266b0942de906de9a6bcd15da094c639e45c507cc05304a773d39d2c51a4042fed292e97037ab762c2293eef362a5f405791cd01043c8ce1942c3dd8b1822050046185f0e51b838dda4b2c216e8019c000000d8ef3f46b200000000fd2d01'),
('acme', '\xe7a51e3c0069236843daea3d198237a2f5d5e3f3f2084a5cad37281cecbe0e7f', 177, 169, '\x28b52ffd20b185040002491f2040a53a07a06a2fc49e4bc5e816dd91218e8305ba09758914ed1f6332c09d3f178b258bf23ea40ea986b458456d3b8b8244c891b93e0984190b21438b099ea9995ac82f2ddb059ee284f6817bd095e33e8bb544a2c3354eec5804448b35fda6c459e796f93a67b83e69b186ab47ef00275db1d32f32ef275dfb012002050051871f606c90a92070f792b3a90799000000e7a51e3cb1000000007bad01'),
('acme', '\xefa1be62718cafc9df5b802c4e8bdae055dc3880ca56bb913ecd441fc6a0358c', 411, 312, '\x28b52ffd609b00f5080076d23b2420abe8019bb5f8c0c8a8e7ceb37f82f11cb25cf5e7ffbaee0b78bd515a50354042161c08310032003100fd5cd9c63548635f33ec7ba91f2214643186748981784e7e96e72cd8e7d1628c8e54b2a5190a3bc4553fcb95c13ee9d3411eed931a11b2845cd3bef63ffb1c09ad1db8d67e2c06b0ce3de7de805b01c7395bb9c206388b98fed8d7cf8ec5a8a4e84e01afdfa7ca5c602a853b6e4fa2d6165b2cb2b84c2c9994475621690b94899f98c28f94dcd7f412b59ffdd3656c48fa3f2b038bb5e6209ac598da54e46ad1926747d8b08a9f2d2712fff3bee9f061755aa1a3aa52e22dfd043df9ad702b8eb08cc50210005d109dac6ed9d9c247b9187482f785f776c1cc0c1e1a4ccbd8b0ca55f870f0e319fe55a1c15d4ccea61e28010000efa1be629b01000000130c01');

INSERT INTO contact (tenant_id, id, customer_id, display_name, addresses, revision, created_by_service, deleted) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT2B', 'oak', 'New, Ina', '["ina@oak.example"]', -1, true, false),
('acme', 'eva', 'oak', 'eva', '["eva@oak.example"]', 1, false, false),
('acme', 'gone', '', '', '[]', 2, false, true),
('acme', 'ida', 'oak', 'Ida', '["stranger@ash.example"]', 1, false, false),
('acme', 'tom', 'elm', 'tom', '["tom@elm.example"]', 1, false, false),
('other', 'eva', 'oak', 'eva', '["eva@oak.example"]', 1, false, false),
('other', 'tom', 'elm', 'tom', '["tom@elm.example"]', 1, false, false);

INSERT INTO crm_case (tenant_id, id, customer_id, reference, reference_key, title, revision, deleted) VALUES
('acme', 'case-elm', 'elm', 'CS-0000002', 'CS-0000002', 'About CS-0000002', 1, false),
('acme', 'case-oak', 'oak', 'CS-0000001', 'CS-0000001', 'About CS-0000001', 1, false),
('acme', 'gone', '', '', NULL, '', 2, true),
('other', 'case-elm', 'elm', 'CS-0000002', 'CS-0000002', 'About CS-0000002', 1, false),
('other', 'case-oak', 'oak', 'CS-0000001', 'CS-0000001', 'About CS-0000001', 1, false);

INSERT INTO crm_user (tenant_id, id, display_name, addresses, revision, deleted) VALUES
('acme', 'anna', 'anna', '["anna@example.com"]', 1, false),
('acme', 'bert', 'bert', '["bert@example.com"]', 1, false),
('acme', 'carl', 'carl', '["carl@example.com"]', 1, false),
('acme', 'gone', '', '[]', 2, true),
('other', 'anna', 'anna', '["anna@example.com"]', 1, false),
('other', 'bert', 'bert', '["bert@example.com"]', 1, false);

INSERT INTO customer (tenant_id, id, display_name, revision, deleted) VALUES
('acme', 'elm', 'Customer elm', 1, false),
('acme', 'gone', '', 2, true),
('acme', 'oak', 'Customer oak', 1, false),
('other', 'elm', 'Customer elm', 1, false),
('other', 'oak', 'Customer oak', 1, false);

INSERT INTO default_agent (tenant_id, user_id, agent_id) VALUES
('acme', 'anna', '01M83XJ8802V5274CE0FKHXT1H');

INSERT INTO directory_claim (provider, directory, tenant_id, create_time) VALUES
('contoso', '11111111-2222-3333-4444-555555555555', 'acme', 1795428000000000);

INSERT INTO event (tenant_id, position, id, kind, payload, time) VALUES
('acme', 1, '01M83XJ8802V5274CE0FKHXT0J', 'token', '{"token":{"kind":"consent_given","source":"adminConsents/example.com","owner_user":"","account":"11111111-2222-3333-4444-555555555555","provider":"contoso","expires":null,"threshold":null,"problem":"","provider_reply":""}}', 1795428000000000),
('acme', 2, '01M83XJ8802V5274CE0FKHXT19', 'token', '{"token":{"kind":"renewed","source":"agents/01M83XJ8802V5274CE0FKHXT11","owner_user":"bert","account":"bert@example.com","provider":"contoso","expires":1803204000000000,"threshold":null,"problem":"","provider_reply":""}}', 1795428000000000),
('acme', 4, '01M83XJ8802V5274CE0FKHXT25', 'matched', E'{"matched":{"id":"01M83XJ8802V5274CE0FKHXT23","case":"case-oak","case_reference":"CS-0000001","customer":"oak","contact":"eva","contact_created":false,"agent":"01M83XJ8802V5274CE0FKHXT0Y","message":"01M83XJ8802V5274CE0FKHXT24","message_id":"test-10@mail.example","sender":{"display_name":"Eva","address":"eva@oak.example"},"subject":"Re: CS-0000001 water pump","text":"The water pump leaks.\\n\\nOn Mon, Anna wrote:","quoted":"","automatic":null,"sender_not_authentic":false,"received":1795428000000000,"created":1795428000000000,"blob":[239,161,190,98,113,140,175,201,223,91,128,44,78,139,218,224,85,220,56,128,202,86,187,145,62,205,68,31,198,160,53,140],"size":411}}', 1795428000000000),
('acme', 6, '01M83XJ8802V5274CE0FKHXT2C', 'contact_created', '{"contact_created":{"id":"01M83XJ8802V5274CE0FKHXT2B","customer":"oak","display_name":"New, Ina","addresses":["ina@oak.example"],"revision":-1,"created_by_service":true}}', 1795428000000000),
('acme', 7, '01M83XJ8802V5274CE0FKHXT2G', 'matched', '{"matched":{"id":"01M83XJ8802V5274CE0FKHXT2D","case":"case-oak","case_reference":"CS-0000001","customer":"oak","contact":"01M83XJ8802V5274CE0FKHXT2B","contact_created":true,"agent":"01M83XJ8802V5274CE0FKHXT0Y","message":"01M83XJ8802V5274CE0FKHXT2F","message_id":"test-11@mail.example","sender":{"display_name":"New, Ina","address":"ina@oak.example"},"subject":"CS-0000001","text":"This is message 11.","quoted":"","automatic":null,"sender_not_authentic":false,"received":1795428000000000,"created":1795428000000000,"blob":[19,111,198,81,246,129,246,53,202,189,46,58,181,192,248,7,46,193,5,107,192,247,106,90,136,64,226,171,175,248,16,139],"size":184}}', 1795428000000000),
('acme', 13, '01M83XJ8802V5274CE0FKHXT39', 'matched', '{"matched":{"id":"01M83XJ8802V5274CE0FKHXT37","case":"case-elm","case_reference":"CS-0000002","customer":"elm","contact":"tom","contact_created":false,"agent":"01M83XJ8802V5274CE0FKHXT11","message":"01M83XJ8802V5274CE0FKHXT38","message_id":"test-16@mail.example","sender":{"display_name":"Tom","address":"tom@elm.example"},"subject":"CS-0000002","text":"This is message 16.","quoted":"","automatic":null,"sender_not_authentic":false,"received":1795428000000000,"created":1795428000000000,"blob":[231,165,30,60,0,105,35,104,67,218,234,61,25,130,55,162,245,213,227,243,242,8,74,92,173,55,40,28,236,190,14,127],"size":177}}', 1795428000000000),
('acme', 15, '01M83XJ8802V5274CE0FKHXT3H', 'matched', '{"matched":{"id":"01M83XJ8802V5274CE0FKHXT3G","case":"case-elm","case_reference":"CS-0000002","customer":"elm","contact":"tom","contact_created":false,"agent":"01M83XJ8802V5274CE0FKHXT1E","message":null,"message_id":"test-17@mail.example","sender":{"display_name":"Tom","address":"tom@elm.example"},"subject":"CS-0000002","text":"This is message 17.","quoted":"","automatic":null,"sender_not_authentic":false,"received":1795428000000000,"created":1795428000000000,"blob":null,"size":177}}', 1795428000000000),
('acme', 16, '01M83XNXE0704PYGPEJS2YEY67', 'token', '{"token":{"kind":"secret_expiring","source":"providers/contoso","owner_user":"","account":"","provider":"contoso","expires":1795996800000000,"threshold":{"secs":604800,"nanos":0},"problem":"This service''s own secret or certificate at contoso ends at 2026-11-30T00:00:00Z. Have the operator make a new one, or no login there can be renewed.","provider_reply":""}}', 1795428120000000);

INSERT INTO folder_position (tenant_id, agent_id, folder, state, version, update_time, source, total, look_time) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', 'BAAAAAAAAAAAAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAAGAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAApGBgNQA/pUw=', 7, 1795428000000000, '0d6860c78e15e16f73c90be1a8704b21', NULL, NULL),
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'other-0ef9bbe43aa0c0fd7823f1e43d7545ab', 'BAAAAAAAAAAAAAAAAAAAAAYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJABSASZU7tM=', 1, 1795428000000000, '0ef9bbe43aa0c0fd7823f1e43d7545ab', 0, 1795428000000000),
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'sent', 'BAAAAAAAAAAAAAAAAAAAAAMAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAY9zDDfnjQsE=', 2, 1795428000000000, '84b95d8fe13147a9d6598cf45ecc052a', NULL, NULL),
('acme', '01M83XJ8802V5274CE0FKHXT11', 'inbox', 'BAAAAAAAAAABAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQH+z0TM93uk=', 2, 1795428000000000, '2c513e974ffa75ac42d7ea7426d3ddc9', NULL, NULL),
('acme', '01M83XJ8802V5274CE0FKHXT11', 'other-813ad772326887b619073362ff7e2724', 'BAAAAAAAAAABAAAAAAAAAAYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4mfkLK64ARw=', 1, 1795428000000000, '813ad772326887b619073362ff7e2724', 0, 1795428000000000),
('acme', '01M83XJ8802V5274CE0FKHXT11', 'sent', 'BAAAAAAAAAABAAAAAAAAAAMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ9jgntx4PZQ=', 1, 1795428000000000, 'd6d1bd57c91a62b4291e81b55c1dfa49', NULL, NULL),
('acme', '01M83XJ8802V5274CE0FKHXT1E', 'inbox', 'BAAAAAAAAAACAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAdgcalmgh7zE=', 2, 1795428000000000, '3da2aebfd290061b628eba194a76de72', NULL, NULL),
('acme', '01M83XJ8802V5274CE0FKHXT1E', 'other-dd3a173b7557da0492aae660952f3728', 'BAAAAAAAAAACAAAAAAAAAAYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA32TJuAKl3aA=', 1, 1795428000000000, 'dd3a173b7557da0492aae660952f3728', 0, 1795428000000000);

INSERT INTO installation (name, value) VALUES
('blobs', '01M8QS94CZNV35WS4RA2B0R3PM');

INSERT INTO lease (kind, tenant_id, id, holder, until, fence, signal) VALUES
('mailbox', 'acme', '01M83XJ8802V5274CE0FKHXT0Y', '', 1796094596531881, 1, 0),
('mailbox', 'acme', '01M83XJ8802V5274CE0FKHXT11', '', 1796094596531889, 1, 0),
('mailbox', 'acme', '01M83XJ8802V5274CE0FKHXT1E', '', 1796094596531894, 1, 0),
('mailbox', 'acme', '01M83XJ8802V5274CE0FKHXT1H', '01ARZ3NDEKTSV4RRFFQ69G5FAV', 1795428000000000, 5, 1),
('mailbox', 'acme', '01M83XJ8802V5274CE0FKHXT1P', '', 1796094596531899, 1, 0),
('mailbox', 'acme', '01M83XJ8802V5274CE0FKHXT1V', '', 1796094596531903, 1, 0),
('replica', '', '01M83XJ8802V5274CE0FKHXSZS', '', 1796094596531836, 1, 0);

INSERT INTO login (tenant_id, source, id, usage, provider, account, user_id, state, problem, provider_reply, made_time, renew_time, expire_time, warned_seconds, warn_at, refresh_sealed, access_sealed, access_expire_time, renew_at, failures, failing_since, failing_problem, version) VALUES
('acme', 'adminConsents/example.com', '01M83XJ8802V5274CE0FKHXT0G', 'graph', 'contoso', '11111111-2222-3333-4444-555555555555', 'anna', 'active', '', '', 1795428000000000, 1795428000000000, NULL, NULL, NULL, NULL, '\x017e827afdcb24101c4445334439b44e9d069486beddc99dc23ae1c2f591afe36ed0526a9c41d9321d08167a524e89f2ebb76dd0848d90b4e9ab7a199593ff7a56cdc93181d590a9f8732dd679d2f478fd778f', 1795431600000000, 1795431206097680, 0, NULL, '', 1),
('acme', 'agents/01M83XJ8802V5274CE0FKHXT11', '01M83XJ8802V5274CE0FKHXT17', 'ews', 'contoso', 'bert@example.com', 'anna', 'active', '', '', 1795428000000000, 1795428000000000, 1803204000000000, NULL, 1801994400000000, '\x01703fbe5023d101927124e1802745116acffeb7b9522e4099d1b2a20425d6622b6928ed6fb09def86c61de3e73b6177b19f1710bdcde1282c084d7bb158b0a4c5a0cd602a2734a42ee427d04800be', '\x01ddc219e82512abf5c59d42b545022a56087980a087cf55e1f8801451be0cb4b6ed9c8ae028b8d2b454351c6f843eb149e15af25364137f8e25897ee78f9fab140064c6ec870c7ab8263e5739d1', 1795431600000000, 1795431266404099, 0, NULL, '', 1);

INSERT INTO login_attempt (tenant_id, id, user_id, source, provider, redirect_url, secrets_sealed, expire_time) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT1S', 'anna', 'agents/01M83XJ8802V5274CE0FKHXT1P', 'contoso', 'http://{service}/oauth/callback', '\x011080409911a1a7e8c45548e34c933b883afa9da261bbc2a84fe579bff2c9b841f9c6ce2be9372a0cce18f3eff44d6c2c59a18fe98ac4bdfb93e6b0e50ec2652d4bad2528d31d1c123bc7df72dd318dfdc0917ee40b930818acad8d1f7c86deac2506ca06bab7d608b24ecf99dc60a213adb9f59f2970221e5e2f4fa036616ce0895c27e40b8d1fd385cee94e37b4098decaf', 1795428600000000);

INSERT INTO mail_linking (tenant_id, address_key, contact_id, done_to) VALUES
('acme', 'stranger@ash.example', 'ida', 0);

INSERT INTO mailbox_item (tenant_id, agent_id, folder, source_key, message_number, withheld) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', '\x01b416188c30d0c5979c2f09e6ced908', 4, 0),
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', '\x130721df9c8ca85bb8f296edc04c7291', 3, 0),
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', '\x699426c257e3b123ba58e4499ff474c0', 5, 0),
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', '\xa6dedc18e9bcee310766e55545e31e17', 2, 0),
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', '\xb135f6d8f651c9b3986e8feaa1643e81', 1, 0),
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', '\xb71bb356259e7eb8f80d0a3fe9451100', 8, 0),
('acme', '01M83XJ8802V5274CE0FKHXT0Y', 'sent', '\x7ed7d558ec5fca2ccce5b9fd17de7159', 6, 0),
('acme', '01M83XJ8802V5274CE0FKHXT11', 'inbox', '\x8681c8e7bf813ccb80d2f02c5d5d3c1f', 7, 0),
('acme', '01M83XJ8802V5274CE0FKHXT1E', 'inbox', '\x37569c0ad0720480014ec7fbd4ba3cb0', NULL, 0);

INSERT INTO maintenance_account (tenant_id, id, display_name, kind, endpoint, username, password_sealed, problem, version, create_time, update_time, login_address) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT1B', 'Service', 'exchange_ews', 'http://{mail-server}/EWS/Exchange.asmx', 'service', '\x01c3363a5d731d427548a3f88ce7f5e3a0b031fbb0374495d9678f503779ca0bcf770c035444863912b50b4ec8b93c94', '', 1, 1795428000000000, 1795428000000000, '');

INSERT INTO message (number, tenant_id, id, identity, position, message_id, direction, subject, from_name, from_address, recipients, preview, links, agents, sent, received, archived, size, stored_size, blob_hash, attachment_count, automatic, unlinked) VALUES
(1, 'acme', '01M83XJ8802V5274CE0FKHXT24', '\xaa237b30686dca41e28e673ef0a4a0d121ce5a2d22796da97e91d7a8288461cf', 3, 'test-10@mail.example', 'incoming', 'Re: CS-0000001 water pump', 'Eva', 'eva@oak.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}],"c":[{"display_name":"Tom","address":"tom@elm.example"}]}', 'The water pump leaks. On Mon, Anna wrote: > How is the pump?', '[{"u":"oak","c":"eva","a":"eva@oak.example"}]', '["01M83XJ8802V5274CE0FKHXT0Y"]', 1795424400000000, 1795428000000000, 1795428000000000, 411, 312, '\xefa1be62718cafc9df5b802c4e8bdae055dc3880ca56bb913ecd441fc6a0358c', 1, NULL, false),
(2, 'acme', '01M83XJ8802V5274CE0FKHXT2F', '\x82b53e8c3ab6215531cc9a440e36fc1ca913a89d1790ca99d090c287fec965ca', 5, 'test-11@mail.example', 'incoming', 'CS-0000001', 'New, Ina', 'ina@oak.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'This is message 11.', '[{"u":"oak","c":"01M83XJ8802V5274CE0FKHXT2B","a":"ina@oak.example"}]', '["01M83XJ8802V5274CE0FKHXT0Y"]', 1795424400000000, 1795428000000000, 1795428000000000, 184, 174, '\x136fc651f681f635cabd2e3ab5c0f8072ec1056bc0f76a5a8840e2abaff8108b', 0, NULL, false),
(3, 'acme', '01M83XJ8802V5274CE0FKHXT2N', '\x66c918972d3fde34650fefc3c717c127da930af1323b579a1f3db455db82e783', 8, 'test-12@mail.example', 'incoming', 'An offer', '', 'stranger@ash.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'This is message 12.', '[]', '["01M83XJ8802V5274CE0FKHXT0Y"]', 1795424400000000, 1795428000000000, 1795428000000000, 174, 169, '\x0236193bbed610f2c2b68e5ce08ea1068a7dcc39d4a6953961dc05202521fbde', 0, NULL, true),
(4, 'acme', '01M83XJ8802V5274CE0FKHXT2V', '\x3076f61a163de1cfedc424e3036ae674571625199fd3d3321fc45e8816126fc5', 9, 'test-13@mail.example', 'internal', 'Fwd: Invoice', 'Bert', 'bert@example.com', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'See below. ---------- Forwarded message --------- From: Tom <tom@elm.example> Date: Monday Subject: Invoice To: Bert The invoice is wrong.', '[]', '["01M83XJ8802V5274CE0FKHXT0Y"]', 1795424400000000, 1795428000000000, 1795428000000000, 310, 231, '\x835fd0fc7313756fa148a68399b475fa620224a6154485d5a4990d1e66b9366c', 0, NULL, true),
(5, 'acme', '01M83XJ8802V5274CE0FKHXT31', '\x372104aefb7192161245bf1898c50430aa2bf8a073de676cd5d098bc7ba5a3f1', 10, 'test-14@mail.example', 'incoming', 'Out of office', '', 'eva@oak.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'This is message 14.', '[{"u":"oak","c":"eva","a":"eva@oak.example"}]', '["01M83XJ8802V5274CE0FKHXT0Y"]', 1795424400000000, 1795428000000000, 1795428000000000, 204, 193, '\x8b0fd75279243d78ee804ae2a15bb1e275436a22500268a9eb2b6092934c1e43', 0, 'auto_reply', false),
(6, 'acme', '01M83XJ8802V5274CE0FKHXT34', '\xba04f9351eed74811b5c43f316583ceef7ba9378d424157b0afc5e8d93e9c6a0', 11, 'test-15@mail.example', 'outgoing', 'CS-0000001 answer', 'Anna', 'anna@example.com', '{"t":[{"display_name":"","address":"eva@oak.example"}]}', 'This is message 15.', '[{"u":"oak","c":"eva","a":"eva@oak.example"}]', '["01M83XJ8802V5274CE0FKHXT0Y"]', 1795424400000000, 1795428000000000, 1795428000000000, 178, 172, '\xd8ef3f46aea89b2b912bac3de77d8e2021e4eee3d99c3be4ff4c474ba7542ef7', 0, NULL, false),
(7, 'acme', '01M83XJ8802V5274CE0FKHXT38', '\x683ecd95b1b50fef5dd62ccc2620127aedf818c0d814b7f52a6246a737351e6b', 12, 'test-16@mail.example', 'incoming', 'CS-0000002', 'Tom', 'tom@elm.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'This is message 16.', '[{"u":"elm","c":"tom","a":"tom@elm.example"}]', '["01M83XJ8802V5274CE0FKHXT11"]', 1795424400000000, 1795428000000000, 1795428000000000, 177, 169, '\xe7a51e3c0069236843daea3d198237a2f5d5e3f3f2084a5cad37281cecbe0e7f', 0, NULL, false),
(8, 'acme', '01M83XJ8802V5274CE0FKHXT3D', '\x096e0c1acd9650121735573cfb98373f57b190df503d8b09a74548deaf6c6c25', 14, '', 'incoming', '', '', NULL, '{}', '', '[]', '["01M83XJ8802V5274CE0FKHXT0Y"]', 1795428000000000, 1795428000000000, 1795428000000000, 14, 30, '\x096e0c1acd9650121735573cfb98373f57b190df503d8b09a74548deaf6c6c25', 0, NULL, true);

INSERT INTO message_party (tenant_id, address_key, message_number, customer_id, contact_id, position, sent) VALUES
('acme', 'eva@oak.example', 1, 'oak', 'eva', 3, 1795424400000000),
('acme', 'eva@oak.example', 5, 'oak', 'eva', 10, 1795424400000000),
('acme', 'eva@oak.example', 6, 'oak', 'eva', 11, 1795424400000000),
('acme', 'ina@oak.example', 2, 'oak', '01M83XJ8802V5274CE0FKHXT2B', 5, 1795424400000000),
('acme', 'stranger@ash.example', 3, '', '', 8, 1795424400000000),
('acme', 'tom@elm.example', 7, 'elm', 'tom', 12, 1795424400000000);

INSERT INTO message_search (number, words) VALUES
(1, '''0000001'':3 ''anna'':10,11,26 ''com'':13 ''cs'':2 ''csv'':19 ''elm'':16 ''eva'':6,7 ''example'':9,12,17 ''how'':28 ''is'':29 ''leaks'':23 ''mon'':25 ''oak'':8 ''on'':24 ''pump'':5,22,31 ''re'':1 ''the'':20,30 ''tom'':14,15 ''values'':18 ''water'':4,21 ''wrote'':27'),
(2, '''0000001'':2 ''11'':15 ''anna'':8,9 ''com'':11 ''cs'':1 ''example'':7,10 ''ina'':4,5 ''is'':13 ''message'':14 ''new'':3 ''oak'':6 ''this'':12'),
(3, '''12'':13 ''an'':1 ''anna'':6,7 ''ash'':4 ''com'':9 ''example'':5,8 ''is'':11 ''message'':12 ''offer'':2 ''stranger'':3 ''this'':10'),
(4, '''anna'':7,8 ''below'':12 ''bert'':3,4,25 ''com'':6,10 ''date'':20 ''elm'':18 ''example'':5,9,19 ''forwarded'':13 ''from'':15 ''fwd'':1 ''invoice'':2,23,27 ''is'':28 ''message'':14 ''monday'':21 ''see'':11 ''subject'':22 ''the'':26 ''to'':24 ''tom'':16,17 ''wrong'':29'),
(5, '''14'':14 ''anna'':7,8 ''com'':10 ''eva'':4 ''example'':6,9 ''is'':12 ''message'':13 ''oak'':5 ''of'':2 ''office'':3 ''out'':1 ''this'':11'),
(6, '''0000001'':2 ''15'':14 ''anna'':4,5 ''answer'':3 ''com'':7 ''cs'':1 ''eva'':8 ''example'':6,10 ''is'':12 ''message'':13 ''oak'':9 ''this'':11'),
(7, '''0000002'':2 ''16'':14 ''anna'':7,8 ''com'':10 ''cs'':1 ''elm'':5 ''example'':6,9 ''is'':12 ''message'':13 ''this'':11 ''tom'':3,4'),
(8, '');

INSERT INTO note (tenant_id, id, case_id, case_reference, customer_id, contact_id, contact_created, agent_id, archived_id, message_id, sender_name, sender_address, sender_key, subject, text, quoted, automatic, sender_not_authentic, received, create_time, identity, blob_hash, size) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT23', 'case-oak', 'CS-0000001', 'oak', 'eva', false, '01M83XJ8802V5274CE0FKHXT0Y', '01M83XJ8802V5274CE0FKHXT24', 'test-10@mail.example', 'Eva', 'eva@oak.example', 'eva@oak.example', 'Re: CS-0000001 water pump', 'The water pump leaks.

On Mon, Anna wrote:', '> How is the pump?', NULL, false, 1795428000000000, 1795428000000000, '\xaa237b30686dca41e28e673ef0a4a0d121ce5a2d22796da97e91d7a8288461cf', '\xefa1be62718cafc9df5b802c4e8bdae055dc3880ca56bb913ecd441fc6a0358c', 411),
('acme', '01M83XJ8802V5274CE0FKHXT2D', 'case-oak', 'CS-0000001', 'oak', '01M83XJ8802V5274CE0FKHXT2B', true, '01M83XJ8802V5274CE0FKHXT0Y', '01M83XJ8802V5274CE0FKHXT2F', 'test-11@mail.example', 'New, Ina', 'ina@oak.example', 'ina@oak.example', 'CS-0000001', 'This is message 11.', '', NULL, false, 1795428000000000, 1795428000000000, '\x82b53e8c3ab6215531cc9a440e36fc1ca913a89d1790ca99d090c287fec965ca', '\x136fc651f681f635cabd2e3ab5c0f8072ec1056bc0f76a5a8840e2abaff8108b', 184),
('acme', '01M83XJ8802V5274CE0FKHXT37', 'case-elm', 'CS-0000002', 'elm', 'tom', false, '01M83XJ8802V5274CE0FKHXT11', '01M83XJ8802V5274CE0FKHXT38', 'test-16@mail.example', 'Tom', 'tom@elm.example', 'tom@elm.example', 'CS-0000002', 'This is message 16.', '', NULL, false, 1795428000000000, 1795428000000000, '\x683ecd95b1b50fef5dd62ccc2620127aedf818c0d814b7f52a6246a737351e6b', '\xe7a51e3c0069236843daea3d198237a2f5d5e3f3f2084a5cad37281cecbe0e7f', 177),
('acme', '01M83XJ8802V5274CE0FKHXT3G', 'case-elm', 'CS-0000002', 'elm', 'tom', false, '01M83XJ8802V5274CE0FKHXT1E', NULL, 'test-17@mail.example', 'Tom', 'tom@elm.example', 'tom@elm.example', 'CS-0000002', 'This is message 17.', '', NULL, false, 1795428000000000, 1795428000000000, '\xa26638f3a7b6d8caf2a91fa9b5717e88d3c2843c9d37bfe7fcfc6f97ee0d7c34', NULL, 177);

INSERT INTO outcome (tenant_id, id, agent_id, folder, source_id, result, detail, subject, sender_name, sender_address, message_id, automatic, case_id, note_id, contact_id, archived_id, candidates, size, received, handled, identity, blob_hash) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT22', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAGlhdEXPH4cunF2AvId6c2CfPb7c5wbnSYmdm0AlIVzS+5wqCN9KiYLsfe5r7Z65wAKasrbLhIXJF3sfQfoSHq3XICNnO/1Lgc00G1S+RpeTjVVfGFuM4cFsppRkt4pBkw=', 'MATCHED', 'The sender is a contact of the customer.', 'Re: CS-0000001 water pump', 'Eva', 'eva@oak.example', 'test-10@mail.example', NULL, 'case-oak', '01M83XJ8802V5274CE0FKHXT23', 'eva', '01M83XJ8802V5274CE0FKHXT24', '', 411, 1795428000000000, 1795428000000000, '\xaa237b30686dca41e28e673ef0a4a0d121ce5a2d22796da97e91d7a8288461cf', NULL),
('acme', '01M83XJ8802V5274CE0FKHXT2A', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAKPzDS2SBNZ01FFFL+Hm8PHV8WqjZaJRwi9mW9RV4eQICxf1FTSVF2WUjK0X36AguDVoIpOUk1eXzwfOXbMs6awandA62M6XO6Srthv5gIY3V6W8Os0W0FZvskAtYc7iQ4=', 'MATCHED', 'The sender became a contact of the customer.', 'CS-0000001', 'New, Ina', 'ina@oak.example', 'test-11@mail.example', NULL, 'case-oak', '01M83XJ8802V5274CE0FKHXT2D', '01M83XJ8802V5274CE0FKHXT2B', '01M83XJ8802V5274CE0FKHXT2F', '', 184, 1795428000000000, 1795428000000000, '\x82b53e8c3ab6215531cc9a440e36fc1ca913a89d1790ca99d090c287fec965ca', NULL),
('acme', '01M83XJ8802V5274CE0FKHXT2M', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAPMrAnmFAE+utMOBwbw60nKxqcvlb+XRoRd8H6LOFi5tH40EfMlNTUyO98uSUqiCuPy/IzKI1ApRfZDfbR7JeEfIxVZ1/JR+St/v7RJck5esIsGxWVPylbxPNXycU6Hk5g=', 'NO_REFERENCE', 'The subject names no case.', 'An offer', '', 'stranger@ash.example', 'test-12@mail.example', NULL, NULL, NULL, NULL, '01M83XJ8802V5274CE0FKHXT2N', '', 174, 1795428000000000, 1795428000000000, '\x66c918972d3fde34650fefc3c717c127da930af1323b579a1f3db455db82e783', NULL),
('acme', '01M83XJ8802V5274CE0FKHXT2T', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAQY0sufNmwKqVKYCKTTR56Kca2cVGE19JA7Emagk6D6f5XPsCyoIm02rK9dg3T8n6/7oaUlfzFvvYTA6sSSBhEgJ2SaQeAcd39iob743DgmDMHHS6kIPE9rt8Ja+/zNTQA=', 'NO_REFERENCE', 'The subject names no case.', 'Fwd: Invoice', 'Bert', 'bert@example.com', 'test-13@mail.example', NULL, NULL, NULL, NULL, '01M83XJ8802V5274CE0FKHXT2V', '[[{"display_name":"Tom","address":"tom@elm.example"},"From line in the forwarded text"]]', 310, 1795428000000000, 1795428000000000, '\x3076f61a163de1cfedc424e3036ae674571625199fd3d3321fc45e8816126fc5', NULL),
('acme', '01M83XJ8802V5274CE0FKHXT30', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAWA4gU3ukC+QqOzOXTvn6uon0+KegTb9nOmHAyR/1DNV1a0XkRh263V91b1A8p5vFeUhYyK2nPTaHDmfn0yzsGIbhOntaVdNUi4YINMnGWYX19HbzYklYixw9O5ltBnsXQ=', 'NO_REFERENCE', 'The subject names no case.', 'Out of office', '', 'eva@oak.example', 'test-14@mail.example', 'auto_reply', NULL, NULL, NULL, '01M83XJ8802V5274CE0FKHXT31', '', 204, 1795428000000000, 1795428000000000, '\x372104aefb7192161245bf1898c50430aa2bf8a073de676cd5d098bc7ba5a3f1', NULL),
('acme', '01M83XJ8802V5274CE0FKHXT36', '01M83XJ8802V5274CE0FKHXT11', 'inbox', 'AQAAAAAAAAABAAAAAAAAAAFgDEpUyaBkkqO8SccywF7QT+NLMTCe5VWOuWSx2CHxvIhJtDbjHVMsj11Knaa5E9Zdd0Z49aryrVt2mXtuta3BULI29Om75SLimXfdBb6GUF+AVYcqJ5wKsN3UeSKonhE=', 'MATCHED', 'The sender is a contact of the customer.', 'CS-0000002', 'Tom', 'tom@elm.example', 'test-16@mail.example', NULL, 'case-elm', '01M83XJ8802V5274CE0FKHXT37', 'tom', '01M83XJ8802V5274CE0FKHXT38', '', 177, 1795428000000000, 1795428000000000, '\x683ecd95b1b50fef5dd62ccc2620127aedf818c0d814b7f52a6246a737351e6b', NULL),
('acme', '01M83XJ8802V5274CE0FKHXT3C', '01M83XJ8802V5274CE0FKHXT0Y', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAbnYgdXh4at5pAPInllSRCXzVnvp7xzgae1t6Gg4LX0DKyGNmooPVlY5wnClz5pIW0VDFtnQJDvPColqvgU0B6pIZ0lBiY+NykZFIin3OEsySxgAXvZwV970mNHZa6ACWI=', 'UNPARSABLE', 'the message has no header. It is set aside whole.', '', '', NULL, '', NULL, NULL, NULL, NULL, '01M83XJ8802V5274CE0FKHXT3D', '', 14, 1795428000000000, 1795428000000000, '\x096e0c1acd9650121735573cfb98373f57b190df503d8b09a74548deaf6c6c25', '\x096e0c1acd9650121735573cfb98373f57b190df503d8b09a74548deaf6c6c25'),
('acme', '01M83XJ8802V5274CE0FKHXT3F', '01M83XJ8802V5274CE0FKHXT1E', 'inbox', 'AQAAAAAAAAACAAAAAAAAAAF7b1khCNAG8bgJfXpcpT1qqReXqPRdVYC62DS3eipADhelo0yFnzpo23N5K4rNJvtXzthhcpzJQL5wSDBFH15eVMfB+ES/KnKyPu2UcVQyP1+ScNMN4M4R9j1gwZ9F9As=', 'MATCHED', 'The sender is a contact of the customer.', 'CS-0000002', 'Tom', 'tom@elm.example', 'test-17@mail.example', NULL, 'case-elm', '01M83XJ8802V5274CE0FKHXT3G', 'tom', NULL, '', 177, 1795428000000000, 1795428000000000, '\xa26638f3a7b6d8caf2a91fa9b5717e88d3c2843c9d37bfe7fcfc6f97ee0d7c34', NULL);

INSERT INTO request (tenant_id, method, request_id, content_hash, resource_id, create_time) VALUES
('acme', 'CreateAgent', 'request-of-the-sender', '\x5fe0ccb2d620023c22b549cdf35e924e431beaa3d45b7f8ea34aabc4de3f9b64', '01M83XJ8802V5274CE0FKHXT1H', 1795428000000000);

INSERT INTO seaql_migrations (version, applied_at) VALUES
('m20261123_001_main_job', 1796094595),
('m20261125_002_agents', 1796094595),
('m20261125_003_logins', 1796094595),
('m20261128_004_wakes', 1796094595),
('m20261130_001_installation', 1796094595),
('m20261130_002_linking', 1796094595),
('m20261130_003_reads', 1796094595),
('m20261130_004_revoked_accounts', 1796094595),
('m20261130_005_withheld', 1796094595),
('m20261130_006_folder_looks', 1796094595),
('m20261130_008_suspects', 1796094595),
('m20261130_009_agent_addresses', 1796094595),
('m20261130_010_agent_methods', 1796094595),
('m20261130_011_leases', 1796094595);

INSERT INTO secret_warning (tenant_id, provider, expire_time, warned_seconds) VALUES
('acme', 'contoso', 1795996800000000, 604800);

INSERT INTO suspect (tenant_id, agent_id, source_key, deaths, update_time) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT0Y', '\x01b416188c30d0c5979c2f09e6ced908', 1, 1795428000000000);

INSERT INTO tenant_key (tenant_id, wrapped, create_time) VALUES
('*', '\x011caf5b9ace3a1ba011a814421d1a85e99c70f61fc7b867993a71f48b726ef9988388df088dcce31cadbab3f39e751951e1dfe8b3d639574f716b57476b127ee865efbdf5', 1795428000000000),
('acme', '\x011caf5b9ace3a1ba0a2568c150477a1d631ac573ed39e47e3d93796891ba87ed9ab7e0b979df08a8ab8548f267dca98fc8e6f1edb17ea8b5abd1c40ed5faf340cfd44136f', 1795428000000000);

INSERT INTO tenant_position (tenant_id, last, oldest) VALUES
('acme', 16, 0),
('other', 0, 0);

INSERT INTO tenant_settings (tenant_id, choices, acknowledged_by, acknowledged_time, version) VALUES
('acme', '{"case_reference_format":{"prefix":{"prefix":"CS-","digits":7}},"internal_domains":["example.com"],"trusted_authserv_ids":["mx.example.com"],"sender_check":"warn","skip_automatic_mail":false,"loop_limit_per_sender_and_case":7,"loop_limit_per_sender":70,"authentication_method":"basic","triage_licence_count":3,"allow_unencrypted_smtp":true,"allow_private_networks":true,"trusted_certificates":[{"host":"mail.example.com","sha256_fingerprint":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}],"read_audit_retention_days":90}', 'anna', 1795428000000000, 4),
('other', '{"case_reference_format":{"prefix":{"prefix":"CS-","digits":7}},"internal_domains":["example.com"],"trusted_authserv_ids":[],"sender_check":"refuse","skip_automatic_mail":false,"loop_limit_per_sender_and_case":20,"loop_limit_per_sender":200,"authentication_method":"basic","triage_licence_count":0,"allow_unencrypted_smtp":false,"allow_private_networks":false,"trusted_certificates":[],"read_audit_retention_days":365}', 'olga', 1795428000000000, 2);

INSERT INTO token_revocation (tenant_id, id, provider, token_sealed, create_time, retry_at, failures, account) VALUES
('acme', '01M83XJ8802V5274CE0FKHXT17', 'contoso', '\x01703fbe5023d101927124e1802745116acffeb7b9522e4099d1b2a20425d6622b6928ed6fb09def86c61de3e73b6177b19f1710bdcde1282c084d7bb158b0a4c5a0cd602a2734a42ee427d04800be', 1795428000000000, 1798020000000000, 1, 'bert@example.com');

SELECT setval(pg_get_serial_sequence('message', 'number'), (SELECT max(number) FROM message));
