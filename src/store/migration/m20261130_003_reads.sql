CREATE TABLE audit_read (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    time BIGINT NOT NULL,
    user_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    method TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX audit_read_resource ON audit_read (tenant_id, resource, id);
CREATE INDEX audit_read_user ON audit_read (tenant_id, user_id, id);
