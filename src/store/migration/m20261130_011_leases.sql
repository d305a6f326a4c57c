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

CREATE INDEX lease_holder ON lease (holder, kind);

DROP TABLE mailbox_lease;

ALTER TABLE login DROP COLUMN lease_holder;

ALTER TABLE login DROP COLUMN lease_until;
