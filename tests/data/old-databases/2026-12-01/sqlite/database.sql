CREATE TABLE address (
    tenant_id TEXT NOT NULL,
    address_key TEXT NOT NULL,
    owner_kind TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, address_key, owner_kind, owner_id)
);

CREATE TABLE agent (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    owner_user TEXT NOT NULL,
    kind TEXT NOT NULL,
    from_name TEXT NOT NULL,
    from_address TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    endpoint TEXT NOT NULL,
    mailbox TEXT NOT NULL,
    username TEXT NOT NULL,
    password_sealed BLOB,
    case_sweep BOOLEAN NOT NULL,
    archive BOOLEAN NOT NULL,
    create_contacts BOOLEAN NOT NULL,
    keep_full_message BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL, campaign_compatible BOOLEAN NOT NULL DEFAULT FALSE, smtp_host TEXT NOT NULL DEFAULT '', smtp_port INTEGER NOT NULL DEFAULT 0, smtp_security TEXT NOT NULL DEFAULT 'starttls', smtp_authentication TEXT, connection_type TEXT NOT NULL DEFAULT 'user_credentials', maintenance_account TEXT NOT NULL DEFAULT '', triage BOOLEAN NOT NULL DEFAULT FALSE, calendar BOOLEAN NOT NULL DEFAULT FALSE, case_reference_purge BOOLEAN NOT NULL DEFAULT FALSE, authentication_method TEXT,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE agent_health (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    state TEXT NOT NULL,
    problem TEXT NOT NULL,
    server_reply TEXT NOT NULL,
    last_success BIGINT,
    problem_since BIGINT,
    retry_at BIGINT,
    failures INTEGER NOT NULL,
    handled BIGINT NOT NULL,
    matched BIGINT NOT NULL,
    set_aside BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);

CREATE TABLE agent_leftover (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);

CREATE TABLE audit_entry (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    time BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    action TEXT NOT NULL,
    changes TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE audit_read (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    time BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    method TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE blob (
    tenant_id TEXT NOT NULL,
    hash BLOB NOT NULL,
    size BIGINT NOT NULL,
    stored_size BIGINT NOT NULL,
    data BLOB,
    PRIMARY KEY (tenant_id, hash)
);

CREATE TABLE contact (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    addresses TEXT NOT NULL,
    revision BIGINT NOT NULL,
    created_by_service BOOLEAN NOT NULL,
    deleted BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE crm_case (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    reference TEXT NOT NULL,
    reference_key TEXT,
    title TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE crm_user (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    addresses TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE customer (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    revision BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE default_agent (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);

CREATE TABLE directory_claim (
    provider TEXT NOT NULL,
    directory TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (provider, directory)
);

CREATE TABLE event (
    tenant_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, position)
);

CREATE TABLE folder_position (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    folder TEXT NOT NULL,
    state TEXT,
    version BIGINT NOT NULL,
    update_time BIGINT NOT NULL, source TEXT, total BIGINT, look_time BIGINT,
    PRIMARY KEY (tenant_id, agent_id, folder)
);

CREATE TABLE installation (name TEXT PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE lease (
    kind TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    signal INTEGER NOT NULL,
    PRIMARY KEY (kind, tenant_id, id)
);

CREATE TABLE login (
    tenant_id TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    usage TEXT NOT NULL,
    provider TEXT NOT NULL,
    account TEXT NOT NULL,
    user_id TEXT NOT NULL,
    state TEXT NOT NULL,
    problem TEXT NOT NULL,
    provider_reply TEXT NOT NULL,
    made_time BIGINT NOT NULL,
    renew_time BIGINT NOT NULL,
    expire_time BIGINT,
    warned_seconds BIGINT,
    warn_at BIGINT,
    refresh_sealed BLOB,
    access_sealed BLOB,
    access_expire_time BIGINT,
    renew_at BIGINT NOT NULL,
    failures INTEGER NOT NULL,
    failing_since BIGINT,
    failing_problem TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, source)
);

CREATE TABLE login_attempt (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    source TEXT NOT NULL,
    provider TEXT NOT NULL,
    redirect_url TEXT NOT NULL,
    secrets_sealed BLOB NOT NULL,
    expire_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE mail_linking (
    tenant_id TEXT NOT NULL,
    address_key TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    done_to BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, address_key)
);

CREATE TABLE mailbox_item (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    folder TEXT NOT NULL,
    source_key BLOB NOT NULL,
    message_number BIGINT, withheld INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, agent_id, folder, source_key)
);

CREATE TABLE maintenance_account (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    username TEXT NOT NULL,
    password_sealed BLOB,
    problem TEXT NOT NULL,
    version BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL, login_address TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE message (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    identity BLOB NOT NULL,
    position BIGINT NOT NULL,
    message_id TEXT NOT NULL,
    direction TEXT NOT NULL,
    subject TEXT NOT NULL,
    from_name TEXT NOT NULL,
    from_address TEXT,
    recipients TEXT NOT NULL,
    preview TEXT NOT NULL,
    links TEXT NOT NULL,
    agents TEXT NOT NULL,
    sent BIGINT NOT NULL,
    received BIGINT NOT NULL,
    archived BIGINT NOT NULL,
    size BIGINT NOT NULL,
    stored_size BIGINT NOT NULL,
    blob_hash BLOB NOT NULL,
    attachment_count INTEGER NOT NULL,
    automatic TEXT,
    unlinked BOOLEAN NOT NULL
);

CREATE TABLE message_party (
    tenant_id TEXT NOT NULL,
    address_key TEXT NOT NULL,
    message_number BIGINT NOT NULL,
    customer_id TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, address_key, message_number, customer_id)
);

CREATE VIRTUAL TABLE message_search USING fts5(subject, participants, body, names, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2');

CREATE TABLE note (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    case_id TEXT NOT NULL,
    case_reference TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    contact_id TEXT,
    contact_created BOOLEAN NOT NULL,
    agent_id TEXT NOT NULL,
    archived_id TEXT,
    message_id TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    sender_address TEXT,
    sender_key TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL,
    quoted TEXT NOT NULL,
    automatic TEXT,
    sender_not_authentic BOOLEAN NOT NULL,
    received BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    identity BLOB NOT NULL,
    blob_hash BLOB,
    size BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE outcome (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    folder TEXT NOT NULL,
    source_id TEXT NOT NULL,
    result TEXT NOT NULL,
    detail TEXT NOT NULL,
    subject TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    sender_address TEXT,
    message_id TEXT NOT NULL,
    automatic TEXT,
    case_id TEXT,
    note_id TEXT,
    contact_id TEXT,
    archived_id TEXT,
    candidates TEXT NOT NULL,
    size BIGINT NOT NULL,
    received BIGINT NOT NULL,
    handled BIGINT NOT NULL,
    identity BLOB NOT NULL,
    blob_hash BLOB,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE request (
    tenant_id TEXT NOT NULL,
    method TEXT NOT NULL,
    request_id TEXT NOT NULL,
    content_hash BLOB NOT NULL,
    resource_id TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, method, request_id)
);

CREATE TABLE "seaql_migrations" ( "version" varchar NOT NULL PRIMARY KEY, "applied_at" integer NOT NULL );

CREATE TABLE secret_warning (
    tenant_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    expire_time BIGINT NOT NULL,
    warned_seconds BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, provider)
);

CREATE TABLE suspect (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    source_key BLOB NOT NULL,
    deaths INTEGER NOT NULL,
    update_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, source_key)
);

CREATE TABLE tenant_key (
    tenant_id TEXT NOT NULL,
    wrapped BLOB NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id)
);

CREATE TABLE tenant_position (
    tenant_id TEXT NOT NULL,
    last BIGINT NOT NULL,
    oldest BIGINT NOT NULL,
    PRIMARY KEY (tenant_id)
);

CREATE TABLE tenant_settings (
    tenant_id TEXT NOT NULL,
    choices TEXT NOT NULL,
    acknowledged_by TEXT,
    acknowledged_time BIGINT,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant_id)
);

CREATE TABLE token_revocation (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    provider TEXT NOT NULL,
    token_sealed BLOB NOT NULL,
    create_time BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    failures INTEGER NOT NULL, account TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX address_owner ON address (tenant_id, owner_kind, owner_id);

CREATE INDEX agent_maintenance_account ON agent (tenant_id, maintenance_account);

CREATE INDEX agent_owner ON agent (tenant_id, owner_user, id);

CREATE INDEX audit_entry_resource ON audit_entry (tenant_id, resource, id);

CREATE INDEX audit_read_resource ON audit_read (tenant_id, resource, id);

CREATE INDEX audit_read_user ON audit_read (tenant_id, user_id, id);

CREATE INDEX contact_customer ON contact (tenant_id, customer_id, id);

CREATE INDEX crm_case_customer ON crm_case (tenant_id, customer_id, id);

CREATE UNIQUE INDEX crm_case_reference ON crm_case (tenant_id, reference_key);

CREATE INDEX default_agent_agent ON default_agent (tenant_id, agent_id);

CREATE INDEX event_time ON event (time);

CREATE INDEX lease_holder ON lease (holder, kind);

CREATE INDEX login_attempt_expire ON login_attempt (expire_time);

CREATE INDEX login_provider ON login (provider, tenant_id);

CREATE INDEX login_renew ON login (renew_at);

CREATE INDEX login_warn ON login (warn_at);

CREATE INDEX mailbox_item_message ON mailbox_item (tenant_id, message_number);

CREATE UNIQUE INDEX message_id ON message (tenant_id, id);

CREATE UNIQUE INDEX message_identity ON message (tenant_id, identity);

CREATE INDEX message_party_message ON message_party (tenant_id, message_number);

CREATE INDEX message_party_position ON message_party (tenant_id, customer_id, position);

CREATE INDEX message_party_sent ON message_party (tenant_id, customer_id, sent, message_number);

CREATE UNIQUE INDEX message_position ON message (tenant_id, position);

CREATE INDEX message_sent ON message (tenant_id, sent, number);

CREATE INDEX note_agent ON note (tenant_id, agent_id, id);

CREATE UNIQUE INDEX note_identity ON note (tenant_id, case_id, identity);

CREATE INDEX note_sender ON note (tenant_id, sender_key, received);

CREATE INDEX outcome_agent ON outcome (tenant_id, agent_id, id);

CREATE INDEX outcome_identity ON outcome (tenant_id, identity);

CREATE INDEX outcome_message_id ON outcome (tenant_id, message_id);

CREATE INDEX token_revocation_retry ON token_revocation (retry_at);

INSERT INTO address (tenant_id, address_key, owner_kind, owner_id, customer_id) VALUES
('acme', 'anna@example.com', 'agent', '01M83XJ88010DWRJY5K07J3TNC', ''),
('acme', 'anna@example.com', 'agent', '01M83XJ88010DWRJY5K07J3TNZ', ''),
('acme', 'anna@example.com', 'user', 'anna', ''),
('acme', 'bert@example.com', 'agent', '01M83XJ88010DWRJY5K07J3TNF', ''),
('acme', 'bert@example.com', 'agent', '01M83XJ88010DWRJY5K07J3TP4', ''),
('acme', 'bert@example.com', 'user', 'bert', ''),
('acme', 'carl@example.com', 'agent', '01M83XJ88010DWRJY5K07J3TNW', ''),
('acme', 'carl@example.com', 'user', 'carl', ''),
('acme', 'eva@oak.example', 'contact', 'eva', 'oak'),
('acme', 'ina@oak.example', 'contact', '01M83XJ88010DWRJY5K07J3TPS', 'oak'),
('acme', 'stranger@ash.example', 'contact', 'ida', 'oak'),
('acme', 'tom@elm.example', 'contact', 'tom', 'elm'),
('other', 'anna@example.com', 'user', 'anna', ''),
('other', 'bert@example.com', 'user', 'bert', ''),
('other', 'eva@oak.example', 'contact', 'eva', 'oak'),
('other', 'tom@elm.example', 'contact', 'tom', 'elm');

INSERT INTO agent (tenant_id, id, owner_user, kind, from_name, from_address, disabled, endpoint, mailbox, username, password_sealed, case_sweep, archive, create_contacts, keep_full_message, version, create_time, update_time, campaign_compatible, smtp_host, smtp_port, smtp_security, smtp_authentication, connection_type, maintenance_account, triage, calendar, case_reference_purge, authentication_method) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'anna', 'exchange_ews', 'anna', 'anna@example.com', 0, 'http://{mail-server}/EWS/Exchange.asmx', '', 'anna@example.com', X'016A2A43D25C9F7EFC55FC7A1A90979B53959F4089C233EE5D64DE16B254B554F3697BFB187E8932C2C3F0C26F8CD82CEFBFAC89BE4A3F26A4', 1, 1, 1, 1, 1, 1795428000000000, 1795428000000000, 0, '', 0, 'starttls', NULL, 'user_credentials', '', 0, 0, 0, NULL),
('acme', '01M83XJ88010DWRJY5K07J3TNF', 'bert', 'exchange_ews', 'bert', 'bert@example.com', 0, 'http://{mail-server}/EWS/Exchange.asmx', '', '', NULL, 1, 1, 1, 1, 1, 1795428000000000, 1795428000000000, 0, '', 0, 'starttls', NULL, 'user_credentials', '', 0, 0, 0, 'modern'),
('acme', '01M83XJ88010DWRJY5K07J3TNW', 'carl', 'exchange_ews', 'Carl', 'carl@example.com', 0, '', '', '', NULL, 1, 0, 0, 0, 1, 1795428000000000, 1795428000000000, 0, '', 0, 'starttls', NULL, 'maintenance_account', '01M83XJ88010DWRJY5K07J3TNS', 0, 0, 0, NULL),
('acme', '01M83XJ88010DWRJY5K07J3TNZ', 'anna', 'smtp', 'Anna', 'anna@example.com', 0, '', '', 'anna', X'01F566221FDBC1982E36F6E1D110158E6B5BFB018295A53EDBB3C0AB77AD50607C37A4AA9574CC66652F51D216', 0, 0, 0, 0, 1, 1795428000000000, 1795428000000000, 1, 'smtp.example.com', 2525, 'tls', 'password', 'user_credentials', '', 0, 0, 0, NULL),
('acme', '01M83XJ88010DWRJY5K07J3TP4', 'bert', 'exchange_ews', 'bert', 'bert@example.com', 0, 'http://{mail-server}/EWS/Exchange.asmx', '', '', NULL, 1, 1, 1, 1, 1, 1795428000000000, 1795428000000000, 0, '', 0, 'starttls', NULL, 'user_credentials', '', 0, 0, 0, 'modern');

INSERT INTO agent_health (tenant_id, agent_id, state, problem, server_reply, last_success, problem_since, retry_at, failures, handled, matched, set_aside) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'ok', '', '', 1795428000000000, NULL, NULL, 0, 7, 2, 1),
('acme', '01M83XJ88010DWRJY5K07J3TNF', 'ok', '', '', 1795428000000000, NULL, NULL, 0, 1, 1, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNW', 'ok', '', '', 1795428000000000, NULL, NULL, 0, 1, 1, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNZ', 'ok', '', '', NULL, NULL, NULL, 0, 0, 0, 0),
('acme', '01M83XJ88010DWRJY5K07J3TP4', 'authentication_required', 'Nobody has logged in to this mailbox yet. It uses modern authentication, so passwords are not used.', '', NULL, 1795428000000000, NULL, 0, 0, 0, 0);

INSERT INTO agent_leftover (tenant_id, agent_id) VALUES
('acme', '01ARZ3NDEKTSV4RRFFQ69G5FAV'),
('acme', '01M83XJ88010DWRJY5K07J3TP9');

INSERT INTO audit_entry (tenant_id, id, time, user_id, resource, action, changes) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TM9', 1795428000000000, 'anna', 'tenantSettings', 'updated', '[{"field":"authentication_method","old":"basic","new":"modern"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TMB', 1795428000000000, 'anna', 'tenantSettings', 'updated', '[{"field":"internal_domains","old":"[]","new":"[\"example.com\"]"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TMD', 1795428000000000, 'anna', 'tenantSettings', 'updated', '[{"field":"storage_acknowledgement","old":"","new":"{\"acknowledge_time\":\"2026-11-23T10:00:00Z\",\"user\":\"users/anna\"}"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TMZ', 1795428000000000, 'anna', 'adminConsents/example.com', 'updated', '[{"field":"authentication","old":"","new":"11111111-2222-3333-4444-555555555555 at contoso since 2026-11-23T10:00:00Z"},{"field":"authentication.confirmed_by","old":"","new":"whoever logged in as 11111111-2222-3333-4444-555555555555, by the button of the service''s page"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TN2', 1795428000000000, 'anna', 'tenantSettings', 'updated', '[{"field":"allow_private_networks","old":"false","new":"true"},{"field":"allow_unencrypted_smtp","old":"false","new":"true"},{"field":"authentication_method","old":"modern","new":"basic"},{"field":"loop_limit_per_sender","old":"200","new":"70"},{"field":"loop_limit_per_sender_and_case","old":"20","new":"7"},{"field":"read_audit_retention_days","old":"365","new":"90"},{"field":"sender_check","old":"refuse","new":"warn"},{"field":"triage_licence_count","old":"0","new":"3"},{"field":"trusted_authserv_ids","old":"[]","new":"[\"mx.example.com\"]"},{"field":"trusted_certificates","old":"[]","new":"[{\"host\":\"mail.example.com\",\"sha256_fingerprint\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}]"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TND', 1795428000000000, 'anna', 'agents/01M83XJ88010DWRJY5K07J3TNC', 'created', '[{"field":"exchange.archive","old":"","new":"true"},{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"user_credentials"},{"field":"exchange.endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"exchange.password","old":"","new":"changed"},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"","new":"true"},{"field":"exchange.sweep_options.keep_full_message","old":"","new":"true"},{"field":"exchange.username","old":"","new":"anna@example.com"},{"field":"from_address","old":"","new":"anna@example.com"},{"field":"from_name","old":"","new":"anna"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/anna"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TNG', 1795428000000000, 'anna', 'agents/01M83XJ88010DWRJY5K07J3TNF', 'created', '[{"field":"exchange.archive","old":"","new":"true"},{"field":"exchange.authentication_method","old":"","new":"modern"},{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"user_credentials"},{"field":"exchange.endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"","new":"true"},{"field":"exchange.sweep_options.keep_full_message","old":"","new":"true"},{"field":"from_address","old":"","new":"bert@example.com"},{"field":"from_name","old":"","new":"bert"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/bert"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TNP', 1795428000000000, 'anna', 'agents/01M83XJ88010DWRJY5K07J3TNF', 'updated', '[{"field":"authentication","old":"","new":"bert@example.com at contoso since 2026-11-23T10:00:00Z"},{"field":"authentication.confirmed_by","old":"","new":"whoever logged in as bert@example.com, by the button of the service''s page"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TNT', 1795428000000000, 'anna', 'maintenanceAccounts/01M83XJ88010DWRJY5K07J3TNS', 'created', '[{"field":"display_name","old":"","new":"Service"},{"field":"endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"password","old":"","new":"changed"},{"field":"username","old":"","new":"service"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TNX', 1795428000000000, 'anna', 'agents/01M83XJ88010DWRJY5K07J3TNW', 'created', '[{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"maintenance_account"},{"field":"exchange.maintenance_account","old":"","new":"maintenanceAccounts/01M83XJ88010DWRJY5K07J3TNS"},{"field":"from_address","old":"","new":"carl@example.com"},{"field":"from_name","old":"","new":"Carl"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/carl"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TP0', 1795428000000000, 'anna', 'agents/01M83XJ88010DWRJY5K07J3TNZ', 'created', '[{"field":"campaign_compatible","old":"","new":"true"},{"field":"from_address","old":"","new":"anna@example.com"},{"field":"from_name","old":"","new":"Anna"},{"field":"kind","old":"","new":"smtp"},{"field":"owner_user","old":"","new":"users/anna"},{"field":"smtp.authentication","old":"","new":"password"},{"field":"smtp.host","old":"","new":"smtp.example.com"},{"field":"smtp.password","old":"","new":"changed"},{"field":"smtp.port","old":"","new":"2525"},{"field":"smtp.security","old":"","new":"tls"},{"field":"smtp.username","old":"","new":"anna"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TP2', 1795428000000000, 'anna', 'users/anna/defaultAgent', 'updated', '[{"field":"agent","old":"","new":"agents/01M83XJ88010DWRJY5K07J3TNZ"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TP5', 1795428000000000, 'anna', 'agents/01M83XJ88010DWRJY5K07J3TP4', 'created', '[{"field":"exchange.archive","old":"","new":"true"},{"field":"exchange.authentication_method","old":"","new":"modern"},{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"user_credentials"},{"field":"exchange.endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"","new":"true"},{"field":"exchange.sweep_options.keep_full_message","old":"","new":"true"},{"field":"from_address","old":"","new":"bert@example.com"},{"field":"from_name","old":"","new":"bert"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/bert"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TPA', 1795428000000000, 'anna', 'agents/01M83XJ88010DWRJY5K07J3TP9', 'created', '[{"field":"exchange.archive","old":"","new":"true"},{"field":"exchange.authentication_method","old":"","new":"modern"},{"field":"exchange.case_sweep","old":"","new":"true"},{"field":"exchange.connection_type","old":"","new":"user_credentials"},{"field":"exchange.endpoint","old":"","new":"http://{mail-server}/EWS/Exchange.asmx"},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"","new":"true"},{"field":"exchange.sweep_options.keep_full_message","old":"","new":"true"},{"field":"from_address","old":"","new":"anna@example.com"},{"field":"from_name","old":"","new":"anna"},{"field":"kind","old":"","new":"exchange_ews"},{"field":"owner_user","old":"","new":"users/anna"}]'),
('acme', '01M83XJ88010DWRJY5K07J3TPC', 1795428000000000, 'anna', 'agents/01M83XJ88010DWRJY5K07J3TP9', 'deleted', '[{"field":"exchange.archive","old":"true","new":""},{"field":"exchange.authentication_method","old":"modern","new":""},{"field":"exchange.case_sweep","old":"true","new":""},{"field":"exchange.connection_type","old":"user_credentials","new":""},{"field":"exchange.endpoint","old":"http://{mail-server}/EWS/Exchange.asmx","new":""},{"field":"exchange.sweep_options.create_non_matching_contacts","old":"true","new":""},{"field":"exchange.sweep_options.keep_full_message","old":"true","new":""},{"field":"from_address","old":"anna@example.com","new":""},{"field":"from_name","old":"anna","new":""},{"field":"kind","old":"exchange_ews","new":""},{"field":"owner_user","old":"users/anna","new":""}]'),
('other', '01M83XJ88010DWRJY5K07J3TMK', 1795428000000000, 'olga', 'tenantSettings', 'updated', '[{"field":"internal_domains","old":"[]","new":"[\"example.com\"]"}]'),
('other', '01M83XJ88010DWRJY5K07J3TMN', 1795428000000000, 'olga', 'tenantSettings', 'updated', '[{"field":"storage_acknowledgement","old":"","new":"{\"acknowledge_time\":\"2026-11-23T10:00:00Z\",\"user\":\"users/olga\"}"}]');

INSERT INTO audit_read (tenant_id, id, time, user_id, resource, method) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TR1', 1795428000000000, 'anna', 'messages/01M83XJ88010DWRJY5K07J3TPK', 'GetMessage'),
('acme', '01M83XJ88010DWRJY5K07J3TR3', 1795428000000000, 'anna', 'notes/01M83XJ88010DWRJY5K07J3TPJ', 'GetNote');

INSERT INTO blob (tenant_id, hash, size, stored_size, data) VALUES
('acme', X'096E0C1ACD9650121735573CFB98373F57B190DF503D8B09A74548DEAF6C6C25', 14, 30, X'6E6F2068656164657220686572650E000080096E0C1A0E00000000546E01'),
('acme', X'5E28DCB164F18E298245ED1E3C6CE58F8653998AA20604359FF8807217A095BE', 176, 170, X'28B52FFD20B08D040022891F2050853A070C992879B91159BA6ACB304EC2B0364437444FAD600F406386046AFAA9C9F276481D520F293535809FC3579F3D29B5492A8A9BB320117664CE9E05D20E86B0A1D4C177D92E3BEC1765955F8F718372827BD059477E52AD26808E5F58244A9CC5A9011A03516AD3DE947425D0B8A01D768E99B37388B3F62C45050045185F0E51B738C7A432CD16E8019A0000005E28DCB1B000000000FB9101'),
('acme', X'68F1CD0B7E33B0868A1BC81E2303B211757951C624347BBE04CF7545C271DFFF', 175, 167, X'28B52FFD20AF750400E2C81E2040C53807542C61365938236BB00EB131C282EA379998379996C96794DFF973018B29CBFB903AA41AD26215B5ED2C49841C99EB934898B11032B458E0999AA9853CA1653BC0537CD02E700FBA72DC67B1964974B8C6891D8B48B458D36F529C756E99AF7386EB93166BB87AF406B0D2153BFD22F37ED2B51F041105005087F70F36C85410B87BC9D9D4039700000068F1CD0BAF00000000F39301'),
('acme', X'B7A86EF88E2701F70E20803D4E5962B302134F891D056187A0EDC68A26D2E71E', 309, 229, X'28B52FFD6035005D060022CD29214069D506835882CE24D17AE5FEBBFB8DD0AD1DA7FBD770A296ED997C46B9D3052E9808A3B5AB4E4997CE080E26E6737C6858119B9861FD94B376BEAC5D83799C3DE2C8ADCA75F303A97AE2E7CC0B4CCC0599A4C59881E351FC942F2271306351142B30555501AEBAAA5BA027483479A30F2E903CA0B5E2CB6F21301992BAD112DFA86ABE0FE2846761B15A5BCA576B06DF763017D610C293025B0CCC3CC78FF2E7F8F065ED9A0C003CF3F60F21B4028E66466405C482611F72173C1257574CA857E165B1A05365D5000000B7A86EF835010000009F1D01'),
('acme', X'C36086B4B81CAD3BC4F87159B6D8F84895B46CECC662EB2FC62E9624CB0CFCD1', 202, 191, X'28B52FFD20CA350500124B25225089D306801A23D1269629872B6F86EAE2748E52D88FE008A24B590970548DA0A60F87CBE1EA2C9D2505C7E12184131461C95E21DC5A528FA8A1748B14870928AD6A0E4A63DC10D78581C209CB18330E3333019EA9994A901F6092F9A40F2EC03C6035E3CA6D1787ECA4E7E93FFD16215C9BC30B8FA8719850ED2CCDAEB588EF5A8A6B3B0E198AA86DE08561BBD9095F554B0A0204009C30CC4C602FF088F166930CAF000000C36086B4CA0000000042D401'),
('acme', X'C3D3EA838D59A31A89B4E24DE1CC4F98B642B15ED381926F64E2D9A7E0F69722', 410, 311, X'28B52FFD609A00ED080066923B2420ABE8019BB5F8C0C8A8E7CEB37F82F11CB25CF5E7FFBAEE0B78BD515A50354042161C08310032003100FD5CD9C63548635F33EC7BA91F2214643186748981784E7E96E72CD8E7D1628C8E54B2A5190A3BC4553FCB95C13EE9D341D2A37D5223429650D3BEF63FFB1C09AD1DB8D67E2C06B0CE3DE7DE805B01C7395BB9C206388B98FED8D7CF8EC5A8A4E84E01ECF5FB54990B4CA570C7ED49D4DA628B451697892593F2C82A246D8132F11353F89192FB9A5EA2F6B37FBA8C0D49FF67038BB5E6209AC598DA54E46AD1926747D8B08A9F2D2712FFF3BEE9F061755AA1A3AA52E22DFD043DF9AD702B8EB08C1510005D109DAC6ED9D9C247B9187442F785F57681CC0C1E1A0CCBD8B0CA55F870A0E319FE55A1C15D4CCEA61E27010000C3D3EA839A01000000235601'),
('acme', X'C4CA655C3BAA08353E3BD26E80A97C98FFCAEB568DC8524273A6471D7CB75F05', 172, 168, X'28B52FFD20AC7D040032891F2060B5CE016086C8CD32E28A56C15A5802FC6E586DF53EE0563294330601C72B30A9477276481D52D3939ABA541433263122ECA87C3509A32586B09DD4DDDDC177D7EE32EC0BC82227708A27C809CD395F1DB9497D1D45EE11EA00808145EAC21C7430DC1A2BE7D60E5FEE49ED4A8071411F1364E6B5D4F845F8C5DC4304040050871E7C20B3A8A0B6D92C0398000000C4CA655CAC00000000414E01'),
('acme', X'FFFCCED100A49A308E458BB041B88D555E6E45C7F0DC12C481A7BE2F5D7CEC77', 182, 173, X'28B52FFD20B6A504005249202020C5AA0ECFEB6839D4F0358B02F824D7EE2E4CBBE195901C2A23254146038E07AC31EEF1149EC245C5DA05393E6EA9B46BF307454B2B98D296580B7CF7EDBEC29EE0D63D32A70FDC1539A5BFAE0CB126D8853AFC55AB190908C59A13A7C53C2C253767290D7FB362CDE9CB1139A09906CF87256C9EB08CAE00F494FCC5F9400405005087F70F36C85410B87B87B3B9079D000000FFFCCED1B600000000B56901');

INSERT INTO contact (tenant_id, id, customer_id, display_name, addresses, revision, created_by_service, deleted) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TPS', 'oak', 'New, Ina', '["ina@oak.example"]', -1, 1, 0),
('acme', 'eva', 'oak', 'eva', '["eva@oak.example"]', 1, 0, 0),
('acme', 'gone', '', '', '[]', 2, 0, 1),
('acme', 'ida', 'oak', 'Ida', '["stranger@ash.example"]', 1, 0, 0),
('acme', 'tom', 'elm', 'tom', '["tom@elm.example"]', 1, 0, 0),
('other', 'eva', 'oak', 'eva', '["eva@oak.example"]', 1, 0, 0),
('other', 'tom', 'elm', 'tom', '["tom@elm.example"]', 1, 0, 0);

INSERT INTO crm_case (tenant_id, id, customer_id, reference, reference_key, title, revision, deleted) VALUES
('acme', 'case-elm', 'elm', 'CS-0000002', 'CS-0000002', 'About CS-0000002', 1, 0),
('acme', 'case-oak', 'oak', 'CS-0000001', 'CS-0000001', 'About CS-0000001', 1, 0),
('acme', 'gone', '', '', NULL, '', 2, 1),
('other', 'case-elm', 'elm', 'CS-0000002', 'CS-0000002', 'About CS-0000002', 1, 0),
('other', 'case-oak', 'oak', 'CS-0000001', 'CS-0000001', 'About CS-0000001', 1, 0);

INSERT INTO crm_user (tenant_id, id, display_name, addresses, revision, deleted) VALUES
('acme', 'anna', 'anna', '["anna@example.com"]', 1, 0),
('acme', 'bert', 'bert', '["bert@example.com"]', 1, 0),
('acme', 'carl', 'carl', '["carl@example.com"]', 1, 0),
('acme', 'gone', '', '[]', 2, 1),
('other', 'anna', 'anna', '["anna@example.com"]', 1, 0),
('other', 'bert', 'bert', '["bert@example.com"]', 1, 0);

INSERT INTO customer (tenant_id, id, display_name, revision, deleted) VALUES
('acme', 'elm', 'Customer elm', 1, 0),
('acme', 'gone', '', 2, 1),
('acme', 'oak', 'Customer oak', 1, 0),
('other', 'elm', 'Customer elm', 1, 0),
('other', 'oak', 'Customer oak', 1, 0);

INSERT INTO default_agent (tenant_id, user_id, agent_id) VALUES
('acme', 'anna', '01M83XJ88010DWRJY5K07J3TNZ');

INSERT INTO directory_claim (provider, directory, tenant_id, create_time) VALUES
('contoso', '11111111-2222-3333-4444-555555555555', 'acme', 1795428000000000);

INSERT INTO event (tenant_id, position, id, kind, payload, time) VALUES
('acme', 1, '01M83XJ88010DWRJY5K07J3TN0', 'token', '{"token":{"kind":"consent_given","source":"adminConsents/example.com","owner_user":"","account":"11111111-2222-3333-4444-555555555555","provider":"contoso","expires":null,"threshold":null,"problem":"","provider_reply":""}}', 1795428000000000),
('acme', 2, '01M83XJ88010DWRJY5K07J3TNQ', 'token', '{"token":{"kind":"renewed","source":"agents/01M83XJ88010DWRJY5K07J3TNF","owner_user":"bert","account":"bert@example.com","provider":"contoso","expires":1803204000000000,"threshold":null,"problem":"","provider_reply":""}}', 1795428000000000),
('acme', 4, '01M83XJ88010DWRJY5K07J3TPM', 'matched', '{"matched":{"id":"01M83XJ88010DWRJY5K07J3TPJ","case":"case-oak","case_reference":"CS-0000001","customer":"oak","contact":"eva","contact_created":false,"agent":"01M83XJ88010DWRJY5K07J3TNC","message":"01M83XJ88010DWRJY5K07J3TPK","message_id":"test-1@mail.example","sender":{"display_name":"Eva","address":"eva@oak.example"},"subject":"Re: CS-0000001 water pump","text":"The water pump leaks.\n\nOn Mon, Anna wrote:","quoted":"","automatic":null,"sender_not_authentic":false,"received":1795428000000000,"created":1795428000000000,"blob":[195,211,234,131,141,89,163,26,137,180,226,77,225,204,79,152,182,66,177,94,211,129,146,111,100,226,217,167,224,246,151,34],"size":410}}', 1795428000000000),
('acme', 6, '01M83XJ88010DWRJY5K07J3TPT', 'contact_created', '{"contact_created":{"id":"01M83XJ88010DWRJY5K07J3TPS","customer":"oak","display_name":"New, Ina","addresses":["ina@oak.example"],"revision":-1,"created_by_service":true}}', 1795428000000000),
('acme', 7, '01M83XJ88010DWRJY5K07J3TPX', 'matched', '{"matched":{"id":"01M83XJ88010DWRJY5K07J3TPV","case":"case-oak","case_reference":"CS-0000001","customer":"oak","contact":"01M83XJ88010DWRJY5K07J3TPS","contact_created":true,"agent":"01M83XJ88010DWRJY5K07J3TNC","message":"01M83XJ88010DWRJY5K07J3TPW","message_id":"test-2@mail.example","sender":{"display_name":"New, Ina","address":"ina@oak.example"},"subject":"CS-0000001","text":"This is message 2.","quoted":"","automatic":null,"sender_not_authentic":false,"received":1795428000000000,"created":1795428000000000,"blob":[255,252,206,209,0,164,154,48,142,69,139,176,65,184,141,85,94,110,69,199,240,220,18,196,129,167,190,47,93,124,236,119],"size":182}}', 1795428000000000),
('acme', 12, '01M83XJ88010DWRJY5K07J3TQK', 'matched', '{"matched":{"id":"01M83XJ88010DWRJY5K07J3TQG","case":"case-elm","case_reference":"CS-0000002","customer":"elm","contact":"tom","contact_created":false,"agent":"01M83XJ88010DWRJY5K07J3TNF","message":"01M83XJ88010DWRJY5K07J3TQH","message_id":"test-7@mail.example","sender":{"display_name":"Tom","address":"tom@elm.example"},"subject":"CS-0000002","text":"This is message 7.","quoted":"","automatic":null,"sender_not_authentic":false,"received":1795428000000000,"created":1795428000000000,"blob":[104,241,205,11,126,51,176,134,138,27,200,30,35,3,178,17,117,121,81,198,36,52,123,190,4,207,117,69,194,113,223,255],"size":175}}', 1795428000000000),
('acme', 15, '01M83XJ88010DWRJY5K07J3TQW', 'matched', '{"matched":{"id":"01M83XJ88010DWRJY5K07J3TQV","case":"case-elm","case_reference":"CS-0000002","customer":"elm","contact":"tom","contact_created":false,"agent":"01M83XJ88010DWRJY5K07J3TNW","message":null,"message_id":"test-8@mail.example","sender":{"display_name":"Tom","address":"tom@elm.example"},"subject":"CS-0000002","text":"This is message 8.","quoted":"","automatic":null,"sender_not_authentic":false,"received":1795428000000000,"created":1795428000000000,"blob":null,"size":175}}', 1795428000000000),
('acme', 16, '01M83XNXE0JA9Y82ENA4EDCDNN', 'token', '{"token":{"kind":"secret_expiring","source":"providers/contoso","owner_user":"","account":"","provider":"contoso","expires":1795996800000000,"threshold":{"secs":604800,"nanos":0},"problem":"This service''s own secret or certificate at contoso ends at 2026-11-30T00:00:00Z. Have the operator make a new one, or no login there can be renewed.","provider_reply":""}}', 1795428120000000);

INSERT INTO folder_position (tenant_id, agent_id, folder, state, version, update_time, source, total, look_time) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', 'BAAAAAAAAAAAAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAAGAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAApGBgNQA/pUw=', 7, 1795428000000000, '0d6860c78e15e16f73c90be1a8704b21', NULL, NULL),
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'other-0ef9bbe43aa0c0fd7823f1e43d7545ab', 'BAAAAAAAAAAAAAAAAAAAAAYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJABSASZU7tM=', 1, 1795428000000000, '0ef9bbe43aa0c0fd7823f1e43d7545ab', 0, 1795428000000000),
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'sent', 'BAAAAAAAAAAAAAAAAAAAAAMAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAY9zDDfnjQsE=', 2, 1795428000000000, '84b95d8fe13147a9d6598cf45ecc052a', NULL, NULL),
('acme', '01M83XJ88010DWRJY5K07J3TNF', 'inbox', 'BAAAAAAAAAABAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQH+z0TM93uk=', 2, 1795428000000000, '2c513e974ffa75ac42d7ea7426d3ddc9', NULL, NULL),
('acme', '01M83XJ88010DWRJY5K07J3TNF', 'other-813ad772326887b619073362ff7e2724', 'BAAAAAAAAAABAAAAAAAAAAYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA4mfkLK64ARw=', 1, 1795428000000000, '813ad772326887b619073362ff7e2724', 0, 1795428000000000),
('acme', '01M83XJ88010DWRJY5K07J3TNF', 'sent', 'BAAAAAAAAAABAAAAAAAAAAMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ9jgntx4PZQ=', 1, 1795428000000000, 'd6d1bd57c91a62b4291e81b55c1dfa49', NULL, NULL),
('acme', '01M83XJ88010DWRJY5K07J3TNW', 'inbox', 'BAAAAAAAAAACAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAdgcalmgh7zE=', 2, 1795428000000000, '3da2aebfd290061b628eba194a76de72', NULL, NULL),
('acme', '01M83XJ88010DWRJY5K07J3TNW', 'other-dd3a173b7557da0492aae660952f3728', 'BAAAAAAAAAACAAAAAAAAAAYAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA32TJuAKl3aA=', 1, 1795428000000000, 'dd3a173b7557da0492aae660952f3728', 0, 1795428000000000);

INSERT INTO installation (name, value) VALUES
('blobs', '01M8QS92GJVM9DFSRYFBP7KTAM');

INSERT INTO lease (kind, tenant_id, id, holder, until, fence, signal) VALUES
('mailbox', 'acme', '01M83XJ88010DWRJY5K07J3TNZ', '01ARZ3NDEKTSV4RRFFQ69G5FAV', 1795428000000000, 5, 1);

INSERT INTO login (tenant_id, source, id, usage, provider, account, user_id, state, problem, provider_reply, made_time, renew_time, expire_time, warned_seconds, warn_at, refresh_sealed, access_sealed, access_expire_time, renew_at, failures, failing_since, failing_problem, version) VALUES
('acme', 'adminConsents/example.com', '01M83XJ88010DWRJY5K07J3TMY', 'graph', 'contoso', '11111111-2222-3333-4444-555555555555', 'anna', 'active', '', '', 1795428000000000, 1795428000000000, NULL, NULL, NULL, NULL, X'01735BEFB57F0085049B73EA15FBBC0807E7E44CF4EFC0049719DBE4F8F582BC1758DCAB83858097900440958EAEBC84E2167A8806F44388E8483497F521D79F6C31F12DC3AB63AB742187DAA52834EE4A06BC', 1795431600000000, 1795431186409627, 0, NULL, '', 1),
('acme', 'agents/01M83XJ88010DWRJY5K07J3TNF', '01M83XJ88010DWRJY5K07J3TNN', 'ews', 'contoso', 'bert@example.com', 'anna', 'active', '', '', 1795428000000000, 1795428000000000, 1803204000000000, NULL, 1801994400000000, X'0116B272F01BEDC024BEC25902A5F02B1447DF1E23FD8B6D889B6481A81A6B70EA2B79C00802FA0DA33E9D09CEC44F47678CB46A922A6ADFC083745BB1154C45B9BB32A536369D9BE527C2ED89E125', X'017374700AE7FDAE5A63CE68A3FB61231BD847CE34CD0728CBC0F7B4BDB8B18D9D4A8F19FEE21DF637ACED486BE28A21CCDE9903E1EBB27574477F598C7BAFD43D8771479E25D63FCBC8CDF25B5F', 1795431600000000, 1795431199361856, 0, NULL, '', 1);

INSERT INTO login_attempt (tenant_id, id, user_id, source, provider, redirect_url, secrets_sealed, expire_time) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TP7', 'anna', 'agents/01M83XJ88010DWRJY5K07J3TP4', 'contoso', 'http://{service}/oauth/callback', X'01BCD8D1F26FCF61178737D6A27F56B1BEA7A30EE6082FF4EAF0D24819E5B9FDBA3998DE956A37FF36CADFAB3B840632FA0B908711D909C4738908FC48222EA14074B9AF6660EA12D1D63B9AAE91853A3C880514E3A0FEB727FCC4474FFA94A2F85595005A44578403F5065B8C0952CBA341F6762F07B453ABF7ABCF4F8C9602FCEB8CDE3EDAACD7BE9AE4AB647A0F5EE058B7', 1795428600000000);

INSERT INTO mail_linking (tenant_id, address_key, contact_id, done_to) VALUES
('acme', 'stranger@ash.example', 'ida', 0);

INSERT INTO mailbox_item (tenant_id, agent_id, folder, source_key, message_number, withheld) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', X'01B416188C30D0C5979C2F09E6CED908', 4, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', X'130721DF9C8CA85BB8F296EDC04C7291', 3, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', X'699426C257E3B123BA58E4499FF474C0', 5, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', X'A6DEDC18E9BCEE310766E55545E31E17', 2, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', X'B135F6D8F651C9B3986E8FEAA1643E81', 1, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', X'B71BB356259E7EB8F80D0A3FE9451100', 7, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNC', 'sent', X'7ED7D558EC5FCA2CCCE5B9FD17DE7159', 8, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNF', 'inbox', X'8681C8E7BF813CCB80D2F02C5D5D3C1F', 6, 0),
('acme', '01M83XJ88010DWRJY5K07J3TNW', 'inbox', X'37569C0AD0720480014EC7FBD4BA3CB0', NULL, 0);

INSERT INTO maintenance_account (tenant_id, id, display_name, kind, endpoint, username, password_sealed, problem, version, create_time, update_time, login_address) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TNS', 'Service', 'exchange_ews', 'http://{mail-server}/EWS/Exchange.asmx', 'service', X'014EB8F0F29E7677ED210A3D38CD4D48381519C25428DB9E789EFEE123FD7B882C5D4A788933E582C6DE3241DCE93536', '', 1, 1795428000000000, 1795428000000000, '');

INSERT INTO message (number, tenant_id, id, identity, position, message_id, direction, subject, from_name, from_address, recipients, preview, links, agents, sent, received, archived, size, stored_size, blob_hash, attachment_count, automatic, unlinked) VALUES
(1, 'acme', '01M83XJ88010DWRJY5K07J3TPK', X'F201BC0BA258D8D22F3869C1A53EC71E781E73ABD4FB64972F8419F200F9AAA0', 3, 'test-1@mail.example', 'incoming', 'Re: CS-0000001 water pump', 'Eva', 'eva@oak.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}],"c":[{"display_name":"Tom","address":"tom@elm.example"}]}', 'The water pump leaks. On Mon, Anna wrote: > How is the pump?', '[{"u":"oak","c":"eva","a":"eva@oak.example"}]', '["01M83XJ88010DWRJY5K07J3TNC"]', 1795424400000000, 1795428000000000, 1795428000000000, 410, 311, X'C3D3EA838D59A31A89B4E24DE1CC4F98B642B15ED381926F64E2D9A7E0F69722', 1, NULL, 0),
(2, 'acme', '01M83XJ88010DWRJY5K07J3TPW', X'61EC62E5D8584AC66A9F72C94B9ADA186285D842789B40483CD386773DCA8C2A', 5, 'test-2@mail.example', 'incoming', 'CS-0000001', 'New, Ina', 'ina@oak.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'This is message 2.', '[{"u":"oak","c":"01M83XJ88010DWRJY5K07J3TPS","a":"ina@oak.example"}]', '["01M83XJ88010DWRJY5K07J3TNC"]', 1795424400000000, 1795428000000000, 1795428000000000, 182, 173, X'FFFCCED100A49A308E458BB041B88D555E6E45C7F0DC12C481A7BE2F5D7CEC77', 0, NULL, 0),
(3, 'acme', '01M83XJ88010DWRJY5K07J3TQ2', X'86152BAC1C344680B835F7EC1AEC2D3D1D59BE2A62F76B469DDC9FFD32EAEF97', 8, 'test-3@mail.example', 'incoming', 'An offer', '', 'stranger@ash.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'This is message 3.', '[]', '["01M83XJ88010DWRJY5K07J3TNC"]', 1795424400000000, 1795428000000000, 1795428000000000, 172, 168, X'C4CA655C3BAA08353E3BD26E80A97C98FFCAEB568DC8524273A6471D7CB75F05', 0, NULL, 1),
(4, 'acme', '01M83XJ88010DWRJY5K07J3TQ7', X'0722714EAFE9EE6FA07935C6637FC84E2D7A71A056300E162B780806239313AE', 9, 'test-4@mail.example', 'internal', 'Fwd: Invoice', 'Bert', 'bert@example.com', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'See below. ---------- Forwarded message --------- From: Tom <tom@elm.example> Date: Monday Subject: Invoice To: Bert The invoice is wrong.', '[]', '["01M83XJ88010DWRJY5K07J3TNC"]', 1795424400000000, 1795428000000000, 1795428000000000, 309, 229, X'B7A86EF88E2701F70E20803D4E5962B302134F891D056187A0EDC68A26D2E71E', 0, NULL, 1),
(5, 'acme', '01M83XJ88010DWRJY5K07J3TQC', X'132709B57948AB54B85EEAC3F78672F33D95B045EB9D4E814851A54F248FF1D0', 10, 'test-5@mail.example', 'incoming', 'Out of office', '', 'eva@oak.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'This is message 5.', '[{"u":"oak","c":"eva","a":"eva@oak.example"}]', '["01M83XJ88010DWRJY5K07J3TNC"]', 1795424400000000, 1795428000000000, 1795428000000000, 202, 191, X'C36086B4B81CAD3BC4F87159B6D8F84895B46CECC662EB2FC62E9624CB0CFCD1', 0, 'auto_reply', 0),
(6, 'acme', '01M83XJ88010DWRJY5K07J3TQH', X'51AF1FD1616397498550AE59E13F5CBEE346BFCAB301F2EAACC418CC9BB99FE6', 11, 'test-7@mail.example', 'incoming', 'CS-0000002', 'Tom', 'tom@elm.example', '{"t":[{"display_name":"Anna","address":"anna@example.com"}]}', 'This is message 7.', '[{"u":"elm","c":"tom","a":"tom@elm.example"}]', '["01M83XJ88010DWRJY5K07J3TNF"]', 1795424400000000, 1795428000000000, 1795428000000000, 175, 167, X'68F1CD0B7E33B0868A1BC81E2303B211757951C624347BBE04CF7545C271DFFF', 0, NULL, 0),
(7, 'acme', '01M83XJ88010DWRJY5K07J3TQN', X'096E0C1ACD9650121735573CFB98373F57B190DF503D8B09A74548DEAF6C6C25', 13, '', 'incoming', '', '', NULL, '{}', '', '[]', '["01M83XJ88010DWRJY5K07J3TNC"]', 1795428000000000, 1795428000000000, 1795428000000000, 14, 30, X'096E0C1ACD9650121735573CFB98373F57B190DF503D8B09A74548DEAF6C6C25', 0, NULL, 1),
(8, 'acme', '01M83XJ88010DWRJY5K07J3TQQ', X'FAC1B96181AD8DEDDCF8B2B2FA7D6BD9A45EFB1B840346F821B338DB4254AC67', 14, 'test-6@mail.example', 'outgoing', 'CS-0000001 answer', 'Anna', 'anna@example.com', '{"t":[{"display_name":"","address":"eva@oak.example"}]}', 'This is message 6.', '[{"u":"oak","c":"eva","a":"eva@oak.example"}]', '["01M83XJ88010DWRJY5K07J3TNC"]', 1795424400000000, 1795428000000000, 1795428000000000, 176, 170, X'5E28DCB164F18E298245ED1E3C6CE58F8653998AA20604359FF8807217A095BE', 0, NULL, 0);

INSERT INTO message_party (tenant_id, address_key, message_number, customer_id, contact_id, position, sent) VALUES
('acme', 'eva@oak.example', 1, 'oak', 'eva', 3, 1795424400000000),
('acme', 'eva@oak.example', 5, 'oak', 'eva', 10, 1795424400000000),
('acme', 'eva@oak.example', 8, 'oak', 'eva', 14, 1795424400000000),
('acme', 'ina@oak.example', 2, 'oak', '01M83XJ88010DWRJY5K07J3TPS', 5, 1795424400000000),
('acme', 'stranger@ash.example', 3, '', '', 8, 1795424400000000),
('acme', 'tom@elm.example', 6, 'elm', 'tom', 11, 1795424400000000);

INSERT INTO note (tenant_id, id, case_id, case_reference, customer_id, contact_id, contact_created, agent_id, archived_id, message_id, sender_name, sender_address, sender_key, subject, text, quoted, automatic, sender_not_authentic, received, create_time, identity, blob_hash, size) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TPJ', 'case-oak', 'CS-0000001', 'oak', 'eva', 0, '01M83XJ88010DWRJY5K07J3TNC', '01M83XJ88010DWRJY5K07J3TPK', 'test-1@mail.example', 'Eva', 'eva@oak.example', 'eva@oak.example', 'Re: CS-0000001 water pump', 'The water pump leaks.

On Mon, Anna wrote:', '> How is the pump?', NULL, 0, 1795428000000000, 1795428000000000, X'F201BC0BA258D8D22F3869C1A53EC71E781E73ABD4FB64972F8419F200F9AAA0', X'C3D3EA838D59A31A89B4E24DE1CC4F98B642B15ED381926F64E2D9A7E0F69722', 410),
('acme', '01M83XJ88010DWRJY5K07J3TPV', 'case-oak', 'CS-0000001', 'oak', '01M83XJ88010DWRJY5K07J3TPS', 1, '01M83XJ88010DWRJY5K07J3TNC', '01M83XJ88010DWRJY5K07J3TPW', 'test-2@mail.example', 'New, Ina', 'ina@oak.example', 'ina@oak.example', 'CS-0000001', 'This is message 2.', '', NULL, 0, 1795428000000000, 1795428000000000, X'61EC62E5D8584AC66A9F72C94B9ADA186285D842789B40483CD386773DCA8C2A', X'FFFCCED100A49A308E458BB041B88D555E6E45C7F0DC12C481A7BE2F5D7CEC77', 182),
('acme', '01M83XJ88010DWRJY5K07J3TQG', 'case-elm', 'CS-0000002', 'elm', 'tom', 0, '01M83XJ88010DWRJY5K07J3TNF', '01M83XJ88010DWRJY5K07J3TQH', 'test-7@mail.example', 'Tom', 'tom@elm.example', 'tom@elm.example', 'CS-0000002', 'This is message 7.', '', NULL, 0, 1795428000000000, 1795428000000000, X'51AF1FD1616397498550AE59E13F5CBEE346BFCAB301F2EAACC418CC9BB99FE6', X'68F1CD0B7E33B0868A1BC81E2303B211757951C624347BBE04CF7545C271DFFF', 175),
('acme', '01M83XJ88010DWRJY5K07J3TQV', 'case-elm', 'CS-0000002', 'elm', 'tom', 0, '01M83XJ88010DWRJY5K07J3TNW', NULL, 'test-8@mail.example', 'Tom', 'tom@elm.example', 'tom@elm.example', 'CS-0000002', 'This is message 8.', '', NULL, 0, 1795428000000000, 1795428000000000, X'419243230ACD411676B061297E06E498A61F55A47F69F801CFF36E4C7A7535DA', NULL, 175);

INSERT INTO outcome (tenant_id, id, agent_id, folder, source_id, result, detail, subject, sender_name, sender_address, message_id, automatic, case_id, note_id, contact_id, archived_id, candidates, size, received, handled, identity, blob_hash) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TPH', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAGlhdEXPH4cunF2AvId6c2CfPb7c5wbnSYmdm0AlIVzS+5wqCN9KiYLsfe5r7Z65wAKasrbLhIXJF3sfQfoSHq3XICNnO/1Lgc00G1S+RpeTjVVfGFuM4cFsppRkt4pBkw=', 'MATCHED', 'The sender is a contact of the customer.', 'Re: CS-0000001 water pump', 'Eva', 'eva@oak.example', 'test-1@mail.example', NULL, 'case-oak', '01M83XJ88010DWRJY5K07J3TPJ', 'eva', '01M83XJ88010DWRJY5K07J3TPK', '', 410, 1795428000000000, 1795428000000000, X'F201BC0BA258D8D22F3869C1A53EC71E781E73ABD4FB64972F8419F200F9AAA0', NULL),
('acme', '01M83XJ88010DWRJY5K07J3TPR', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAKPzDS2SBNZ01FFFL+Hm8PHV8WqjZaJRwi9mW9RV4eQICxf1FTSVF2WUjK0X36AguDVoIpOUk1eXzwfOXbMs6awandA62M6XO6Srthv5gIY3V6W8Os0W0FZvskAtYc7iQ4=', 'MATCHED', 'The sender became a contact of the customer.', 'CS-0000001', 'New, Ina', 'ina@oak.example', 'test-2@mail.example', NULL, 'case-oak', '01M83XJ88010DWRJY5K07J3TPV', '01M83XJ88010DWRJY5K07J3TPS', '01M83XJ88010DWRJY5K07J3TPW', '', 182, 1795428000000000, 1795428000000000, X'61EC62E5D8584AC66A9F72C94B9ADA186285D842789B40483CD386773DCA8C2A', NULL),
('acme', '01M83XJ88010DWRJY5K07J3TQ1', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAPMrAnmFAE+utMOBwbw60nKxqcvlb+XRoRd8H6LOFi5tH40EfMlNTUyO98uSUqiCuPy/IzKI1ApRfZDfbR7JeEfIxVZ1/JR+St/v7RJck5esIsGxWVPylbxPNXycU6Hk5g=', 'NO_REFERENCE', 'The subject names no case.', 'An offer', '', 'stranger@ash.example', 'test-3@mail.example', NULL, NULL, NULL, NULL, '01M83XJ88010DWRJY5K07J3TQ2', '', 172, 1795428000000000, 1795428000000000, X'86152BAC1C344680B835F7EC1AEC2D3D1D59BE2A62F76B469DDC9FFD32EAEF97', NULL),
('acme', '01M83XJ88010DWRJY5K07J3TQ6', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAQY0sufNmwKqVKYCKTTR56Kca2cVGE19JA7Emagk6D6f5XPsCyoIm02rK9dg3T8n6/7oaUlfzFvvYTA6sSSBhEgJ2SaQeAcd39iob743DgmDMHHS6kIPE9rt8Ja+/zNTQA=', 'NO_REFERENCE', 'The subject names no case.', 'Fwd: Invoice', 'Bert', 'bert@example.com', 'test-4@mail.example', NULL, NULL, NULL, NULL, '01M83XJ88010DWRJY5K07J3TQ7', '[[{"display_name":"Tom","address":"tom@elm.example"},"From line in the forwarded text"]]', 309, 1795428000000000, 1795428000000000, X'0722714EAFE9EE6FA07935C6637FC84E2D7A71A056300E162B780806239313AE', NULL),
('acme', '01M83XJ88010DWRJY5K07J3TQB', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAWA4gU3ukC+QqOzOXTvn6uon0+KegTb9nOmHAyR/1DNV1a0XkRh263V91b1A8p5vFeUhYyK2nPTaHDmfn0yzsGIbhOntaVdNUi4YINMnGWYX19HbzYklYixw9O5ltBnsXQ=', 'NO_REFERENCE', 'The subject names no case.', 'Out of office', '', 'eva@oak.example', 'test-5@mail.example', 'auto_reply', NULL, NULL, NULL, '01M83XJ88010DWRJY5K07J3TQC', '', 202, 1795428000000000, 1795428000000000, X'132709B57948AB54B85EEAC3F78672F33D95B045EB9D4E814851A54F248FF1D0', NULL),
('acme', '01M83XJ88010DWRJY5K07J3TQF', '01M83XJ88010DWRJY5K07J3TNF', 'inbox', 'AQAAAAAAAAABAAAAAAAAAAFgDEpUyaBkkqO8SccywF7QT+NLMTCe5VWOuWSx2CHxvIhJtDbjHVMsj11Knaa5E9Zdd0Z49aryrVt2mXtuta3BULI29Om75SLimXfdBb6GUF+AVYcqJ5wKsN3UeSKonhE=', 'MATCHED', 'The sender is a contact of the customer.', 'CS-0000002', 'Tom', 'tom@elm.example', 'test-7@mail.example', NULL, 'case-elm', '01M83XJ88010DWRJY5K07J3TQG', 'tom', '01M83XJ88010DWRJY5K07J3TQH', '', 175, 1795428000000000, 1795428000000000, X'51AF1FD1616397498550AE59E13F5CBEE346BFCAB301F2EAACC418CC9BB99FE6', NULL),
('acme', '01M83XJ88010DWRJY5K07J3TQM', '01M83XJ88010DWRJY5K07J3TNC', 'inbox', 'AQAAAAAAAAAAAAAAAAAAAAbnYgdXh4at5pAPInllSRCXzVnvp7xzgae1t6Gg4LX0DKyGNmooPVlY5wnClz5pIW0VDFtnQJDvPColqvgU0B6pIZ0lBiY+NykZFIin3OEsySxgAXvZwV970mNHZa6ACWI=', 'UNPARSABLE', 'the message has no header. It is set aside whole.', '', '', NULL, '', NULL, NULL, NULL, NULL, '01M83XJ88010DWRJY5K07J3TQN', '', 14, 1795428000000000, 1795428000000000, X'096E0C1ACD9650121735573CFB98373F57B190DF503D8B09A74548DEAF6C6C25', X'096E0C1ACD9650121735573CFB98373F57B190DF503D8B09A74548DEAF6C6C25'),
('acme', '01M83XJ88010DWRJY5K07J3TQT', '01M83XJ88010DWRJY5K07J3TNW', 'inbox', 'AQAAAAAAAAACAAAAAAAAAAF7b1khCNAG8bgJfXpcpT1qqReXqPRdVYC62DS3eipADhelo0yFnzpo23N5K4rNJvtXzthhcpzJQL5wSDBFH15eVMfB+ES/KnKyPu2UcVQyP1+ScNMN4M4R9j1gwZ9F9As=', 'MATCHED', 'The sender is a contact of the customer.', 'CS-0000002', 'Tom', 'tom@elm.example', 'test-8@mail.example', NULL, 'case-elm', '01M83XJ88010DWRJY5K07J3TQV', 'tom', NULL, '', 175, 1795428000000000, 1795428000000000, X'419243230ACD411676B061297E06E498A61F55A47F69F801CFF36E4C7A7535DA', NULL);

INSERT INTO request (tenant_id, method, request_id, content_hash, resource_id, create_time) VALUES
('acme', 'CreateAgent', 'request-of-the-sender', X'F1D0135060AE1E0456F1DC5FA39FCD968C828157E21CC22940363F160391152D', '01M83XJ88010DWRJY5K07J3TNZ', 1795428000000000);

INSERT INTO seaql_migrations (version, applied_at) VALUES
('m20261123_001_main_job', 1796094593),
('m20261125_002_agents', 1796094593),
('m20261125_003_logins', 1796094593),
('m20261128_004_wakes', 1796094593),
('m20261130_001_installation', 1796094593),
('m20261130_002_linking', 1796094593),
('m20261130_003_reads', 1796094593),
('m20261130_004_revoked_accounts', 1796094593),
('m20261130_005_withheld', 1796094593),
('m20261130_006_folder_looks', 1796094593),
('m20261130_008_suspects', 1796094593),
('m20261130_009_agent_addresses', 1796094593),
('m20261130_010_agent_methods', 1796094593),
('m20261130_011_leases', 1796094593);

INSERT INTO secret_warning (tenant_id, provider, expire_time, warned_seconds) VALUES
('acme', 'contoso', 1795996800000000, 604800);

INSERT INTO suspect (tenant_id, agent_id, source_key, deaths, update_time) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TNC', X'01B416188C30D0C5979C2F09E6CED908', 1, 1795428000000000);

INSERT INTO tenant_key (tenant_id, wrapped, create_time) VALUES
('*', X'011ADE0A314B60E90AAA81F0437452B244910FC5E283B91E4AD005FB366206CF5DCA68D89208D4D1602BADCCBE001E819C16A10A195DF4E2B011962F13F8B014554570EDB8', 1795428000000000),
('acme', X'011ADE0A314B60E90A6FB356E1004329EFCF44F6BFAC275003B408A14835D919B8AA750242A7964171E6DE8E881B1AAFC7C2B230F20BA1C8D1910E06C419F77EB91D7774A0', 1795428000000000);

INSERT INTO tenant_position (tenant_id, last, oldest) VALUES
('acme', 16, 0);

INSERT INTO tenant_settings (tenant_id, choices, acknowledged_by, acknowledged_time, version) VALUES
('acme', '{"case_reference_format":{"prefix":{"prefix":"CS-","digits":7}},"internal_domains":["example.com"],"trusted_authserv_ids":["mx.example.com"],"sender_check":"warn","skip_automatic_mail":false,"loop_limit_per_sender_and_case":7,"loop_limit_per_sender":70,"authentication_method":"basic","triage_licence_count":3,"allow_unencrypted_smtp":true,"allow_private_networks":true,"trusted_certificates":[{"host":"mail.example.com","sha256_fingerprint":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}],"read_audit_retention_days":90}', 'anna', 1795428000000000, 4),
('other', '{"case_reference_format":{"prefix":{"prefix":"CS-","digits":7}},"internal_domains":["example.com"],"trusted_authserv_ids":[],"sender_check":"refuse","skip_automatic_mail":false,"loop_limit_per_sender_and_case":20,"loop_limit_per_sender":200,"authentication_method":"basic","triage_licence_count":0,"allow_unencrypted_smtp":false,"allow_private_networks":false,"trusted_certificates":[],"read_audit_retention_days":365}', 'olga', 1795428000000000, 2);

INSERT INTO token_revocation (tenant_id, id, provider, token_sealed, create_time, retry_at, failures, account) VALUES
('acme', '01M83XJ88010DWRJY5K07J3TNN', 'contoso', X'0116B272F01BEDC024BEC25902A5F02B1447DF1E23FD8B6D889B6481A81A6B70EA2B79C00802FA0DA33E9D09CEC44F47678CB46A922A6ADFC083745BB1154C45B9BB32A536369D9BE527C2ED89E125', 1795428000000000, 1798020000000000, 1, 'bert@example.com');

INSERT INTO message_search (rowid, subject, participants, body, names) VALUES
(1, 're cs 0000001 water pump', 'eva eva oak example anna anna example com tom tom elm example', 'the water pump leaks on mon anna wrote how is the pump', 'values csv'),
(2, 'cs 0000001', 'new ina ina oak example anna anna example com', 'this is message 2', ''),
(3, 'an offer', 'stranger ash example anna anna example com', 'this is message 3', ''),
(4, 'fwd invoice', 'bert bert example com anna anna example com', 'see below forwarded message from tom tom elm example date monday subject invoice to bert the invoice is wrong', ''),
(5, 'out of office', 'eva oak example anna anna example com', 'this is message 5', ''),
(6, 'cs 0000002', 'tom tom elm example anna anna example com', 'this is message 7', ''),
(8, 'cs 0000001 answer', 'anna anna example com eva oak example', 'this is message 6', '');
