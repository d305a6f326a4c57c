CREATE TABLE tenant_position (
    tenant_id TEXT NOT NULL,
    last BIGINT NOT NULL,
    oldest BIGINT NOT NULL,
    PRIMARY KEY (tenant_id)
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

CREATE TABLE tenant_settings (
    tenant_id TEXT NOT NULL,
    choices TEXT NOT NULL,
    acknowledged_by TEXT,
    acknowledged_time BIGINT,
    version BIGINT NOT NULL,
    PRIMARY KEY (tenant_id)
);

CREATE TABLE tenant_key (
    tenant_id TEXT NOT NULL,
    wrapped {bytes} NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id)
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
    password_sealed {bytes},
    case_sweep BOOLEAN NOT NULL,
    archive BOOLEAN NOT NULL,
    create_contacts BOOLEAN NOT NULL,
    keep_full_message BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
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

CREATE TABLE request (
    tenant_id TEXT NOT NULL,
    method TEXT NOT NULL,
    request_id TEXT NOT NULL,
    content_hash {bytes} NOT NULL,
    resource_id TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, method, request_id)
);

CREATE TABLE folder_position (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    folder TEXT NOT NULL,
    state TEXT,
    version BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, folder)
);

CREATE TABLE mailbox_lease (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);

CREATE TABLE mailbox_item (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    folder TEXT NOT NULL,
    source_key {bytes} NOT NULL,
    message_number BIGINT,
    PRIMARY KEY (tenant_id, agent_id, folder, source_key)
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
    identity {bytes} NOT NULL,
    blob_hash {bytes},
    PRIMARY KEY (tenant_id, id)
);

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
    identity {bytes} NOT NULL,
    blob_hash {bytes},
    size BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE message (
    number {serial},
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    identity {bytes} NOT NULL,
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
    blob_hash {bytes} NOT NULL,
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

CREATE TABLE blob (
    tenant_id TEXT NOT NULL,
    hash {bytes} NOT NULL,
    size BIGINT NOT NULL,
    stored_size BIGINT NOT NULL,
    data {bytes},
    PRIMARY KEY (tenant_id, hash)
);

CREATE UNIQUE INDEX crm_case_reference ON crm_case (tenant_id, reference_key);
CREATE INDEX address_owner ON address (tenant_id, owner_kind, owner_id);
CREATE INDEX contact_customer ON contact (tenant_id, customer_id, id);
CREATE INDEX crm_case_customer ON crm_case (tenant_id, customer_id, id);
CREATE INDEX event_time ON event (time);
CREATE INDEX mailbox_item_message ON mailbox_item (tenant_id, message_number);
CREATE INDEX outcome_agent ON outcome (tenant_id, agent_id, id);
CREATE INDEX outcome_identity ON outcome (tenant_id, identity);
CREATE INDEX outcome_message_id ON outcome (tenant_id, message_id);
CREATE UNIQUE INDEX note_identity ON note (tenant_id, case_id, identity);
CREATE INDEX note_agent ON note (tenant_id, agent_id, id);
CREATE INDEX note_sender ON note (tenant_id, sender_key, received);
CREATE UNIQUE INDEX message_id ON message (tenant_id, id);
CREATE UNIQUE INDEX message_identity ON message (tenant_id, identity);
CREATE UNIQUE INDEX message_position ON message (tenant_id, position);
CREATE INDEX message_sent ON message (tenant_id, sent, number);
CREATE INDEX message_party_message ON message_party (tenant_id, message_number);
CREATE INDEX message_party_position ON message_party (tenant_id, customer_id, position);
CREATE INDEX message_party_sent ON message_party (tenant_id, customer_id, sent, message_number);
