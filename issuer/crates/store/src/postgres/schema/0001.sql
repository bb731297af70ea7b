-- The head: what the store has come to. One row; every commit locks it first and advances it last.
CREATE TABLE moneyer_head (
    single      boolean PRIMARY KEY DEFAULT true CHECK (single),
    incarnation bytea NOT NULL,
    identity    bytea NOT NULL,
    generation  bigint NOT NULL,
    head        bytea NOT NULL,
    forgotten   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 10);

-- Records. Without an envelope: the mark of one that was removed, kept for those who follow.
CREATE TABLE moneyer_records (
    collection text COLLATE "C" NOT NULL,
    id         bytea NOT NULL,
    revision   bigint NOT NULL,
    envelope   bytea,
    removed_at timestamptz,
    PRIMARY KEY (collection, id)
);
CREATE INDEX moneyer_records_by_revision ON moneyer_records (revision);
CREATE INDEX moneyer_records_removed ON moneyer_records (removed_at) WHERE envelope IS NULL;

-- The way the head went, so that a server that went another way is told from one that went on.
CREATE TABLE moneyer_marks (
    generation bigint PRIMARY KEY,
    mark       bytea NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now()
);

-- The coordinators that share the store, and how far each has followed.
CREATE TABLE moneyer_replicas (
    name    text COLLATE "C" PRIMARY KEY,
    through bigint NOT NULL,
    seen_at timestamptz NOT NULL
);
