ALTER TABLE agent ADD COLUMN campaign_compatible BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE agent ADD COLUMN smtp_host TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN smtp_port INTEGER NOT NULL DEFAULT 0;
ALTER TABLE agent ADD COLUMN smtp_security TEXT NOT NULL DEFAULT 'starttls';
ALTER TABLE agent ADD COLUMN smtp_authentication TEXT;
ALTER TABLE agent ADD COLUMN connection_type TEXT NOT NULL DEFAULT 'user_credentials';
ALTER TABLE agent ADD COLUMN maintenance_account TEXT NOT NULL DEFAULT '';
ALTER TABLE agent ADD COLUMN triage BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE agent ADD COLUMN calendar BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE agent ADD COLUMN case_reference_purge BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE maintenance_account (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    username TEXT NOT NULL,
    password_sealed {bytes},
    problem TEXT NOT NULL,
    version BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    update_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE default_agent (
    tenant_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
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

CREATE INDEX agent_owner ON agent (tenant_id, owner_user, id);
CREATE INDEX agent_maintenance_account ON agent (tenant_id, maintenance_account);
CREATE INDEX default_agent_agent ON default_agent (tenant_id, agent_id);
CREATE INDEX audit_entry_resource ON audit_entry (tenant_id, resource, id);
