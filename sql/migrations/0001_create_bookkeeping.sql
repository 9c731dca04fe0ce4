-- What the migrations themselves need; every other table and column comes from its declaration.
CREATE TABLE IF NOT EXISTS etl.migrations (
    version BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL,
    applied_by VARCHAR NOT NULL
);
CREATE TABLE IF NOT EXISTS etl.properties (name VARCHAR NOT NULL, value VARCHAR NOT NULL);
COMMENT ON TABLE etl.properties IS 'What the pipeline remembers about this file; not for analysis';
