ALTER TABLE maintenance_account ADD COLUMN login_address TEXT NOT NULL DEFAULT '';

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
    refresh_sealed {bytes},
    access_sealed {bytes},
    access_expire_time BIGINT,
    renew_at BIGINT NOT NULL,
    failures INTEGER NOT NULL,
    failing_since BIGINT,
    failing_problem TEXT NOT NULL,
    version BIGINT NOT NULL,
    lease_holder TEXT NOT NULL,
    lease_until BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, source)
);

CREATE TABLE login_attempt (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    source TEXT NOT NULL,
    provider TEXT NOT NULL,
    redirect_url TEXT NOT NULL,
    secrets_sealed {bytes} NOT NULL,
    expire_time BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE token_revocation (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    provider TEXT NOT NULL,
    token_sealed {bytes} NOT NULL,
    create_time BIGINT NOT NULL,
    retry_at BIGINT NOT NULL,
    failures INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE TABLE directory_claim (
    provider TEXT NOT NULL,
    directory TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    create_time BIGINT NOT NULL,
    PRIMARY KEY (provider, directory)
);

CREATE TABLE secret_warning (
    tenant_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    expire_time BIGINT NOT NULL,
    warned_seconds BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, provider)
);

CREATE INDEX login_renew ON login (renew_at);
CREATE INDEX login_warn ON login (warn_at);
CREATE INDEX login_provider ON login (provider, tenant_id);
CREATE INDEX login_attempt_expire ON login_attempt (expire_time);
CREATE INDEX token_revocation_retry ON token_revocation (retry_at);
