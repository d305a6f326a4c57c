CREATE TABLE mail_linking (
    tenant_id TEXT NOT NULL,
    address_key TEXT NOT NULL,
    contact_id TEXT NOT NULL,
    done_to BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, address_key)
);

CREATE TABLE agent_leftover (
    tenant_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);
