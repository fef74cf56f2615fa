-- The history. Times are microseconds since 1970 (UTC), but for points, whose times are milliseconds.
-- {id}, {plain_id}, {bytes}, {clustered} and {exact} (order by code point) stand for what SQLite and PostgreSQL
-- spell differently.

CREATE TABLE workspaces (
    id {id},
    name TEXT NOT NULL UNIQUE,
    labels TEXT NOT NULL,
    created BIGINT NOT NULL
);

CREATE TABLE experiments (
    id TEXT PRIMARY KEY,
    workspace BIGINT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    created BIGINT NOT NULL,
    archived BIGINT,
    deleted BIGINT,
    description TEXT,
    runs BIGINT NOT NULL DEFAULT 0
);
-- An archived name may be taken again: the original does so.
CREATE UNIQUE INDEX experiments_active ON experiments (workspace, name) WHERE archived IS NULL AND deleted IS NULL;

CREATE TABLE experiment_tags (
    experiment TEXT NOT NULL REFERENCES experiments (id),
    key TEXT NOT NULL,
    value TEXT,
    PRIMARY KEY (experiment, key)
);

-- n is the order of creation, and the key by which every other table names a run.
CREATE TABLE runs (
    n {id},
    workspace BIGINT NOT NULL REFERENCES workspaces (id),
    experiment TEXT NOT NULL REFERENCES experiments (id),
    id TEXT NOT NULL,
    number BIGINT NOT NULL,
    parent BIGINT REFERENCES runs (n),
    root BIGINT,
    depth BIGINT NOT NULL DEFAULT 0,
    children BIGINT NOT NULL DEFAULT 0,
    status TEXT NOT NULL,
    type TEXT,
    target TEXT NOT NULL,
    name TEXT,
    display_name TEXT,
    description TEXT,
    submitter TEXT,
    created BIGINT NOT NULL,
    started BIGINT,
    ended BIGINT,
    duration BIGINT,
    error TEXT,
    process TEXT,
    heartbeat BIGINT,
    archived BIGINT,
    deleted BIGINT,
    quality TEXT NOT NULL DEFAULT '{}',
    events BIGINT NOT NULL DEFAULT 0,
    refreshed BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX runs_id ON runs (workspace, id);
CREATE INDEX runs_started ON runs (workspace, started, n);
CREATE INDEX runs_created ON runs (workspace, created, n);
CREATE INDEX runs_experiment ON runs (experiment, created, n);
CREATE INDEX runs_parent ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_root ON runs (root) WHERE root IS NOT NULL;
CREATE INDEX runs_status ON runs (workspace, status, created);
-- The few runs that somebody must look after: those that have not ended.
CREATE INDEX runs_open ON runs (status) WHERE ended IS NULL;

-- Tags, properties and params. kind: 't', 'p' (property), 'a' (param: argument). `text` is the first 250 characters of
-- the value, so that both databases can index it; `rest` is what follows. number: the value read as a number.
CREATE TABLE attributes (
    run BIGINT NOT NULL REFERENCES runs (n),
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    text TEXT {exact},
    rest TEXT,
    number DOUBLE PRECISION,
    PRIMARY KEY (run, kind, key)
) {clustered};
CREATE INDEX attributes_text ON attributes (kind, key, text, run);
CREATE INDEX attributes_number ON attributes (kind, key, number, run) WHERE number IS NOT NULL;

-- What the text search looks through. cjk: the same text as pairs of neighbouring Han, Hangul and kana characters,
-- because a trigram index misses words of two syllables.
CREATE TABLE run_text (
    run {plain_id},
    text TEXT NOT NULL,
    cjk TEXT NOT NULL
);

-- Names of metrics. digest: SHA-256 of the name, since PostgreSQL cannot index 1,024 characters of any script.
CREATE TABLE metrics (
    id {id},
    digest TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
);

-- One series of a run. For numbers: last, min, max, first, sum over `points` values that are no NaN; a NaN last value
-- is NULL with last_nan = 1. kind: scalar, text, list, row, table, image, confusion_matrix, ...
CREATE TABLE metric_latest (
    run BIGINT NOT NULL REFERENCES runs (n),
    metric BIGINT NOT NULL REFERENCES metrics (id),
    kind TEXT NOT NULL,
    count BIGINT NOT NULL,
    points BIGINT NOT NULL,
    nans BIGINT NOT NULL,
    repeated BIGINT NOT NULL,
    last DOUBLE PRECISION,
    last_nan BIGINT NOT NULL,
    min DOUBLE PRECISION,
    max DOUBLE PRECISION,
    first DOUBLE PRECISION,
    sum DOUBLE PRECISION,
    last_step DOUBLE PRECISION,
    last_time BIGINT,
    value TEXT,
    description TEXT,
    PRIMARY KEY (run, metric)
) {clustered};
CREATE INDEX metric_latest_last ON metric_latest (metric, last, run);
CREATE INDEX metric_latest_min ON metric_latest (metric, min, run);
CREATE INDEX metric_latest_max ON metric_latest (metric, max, run);

-- The journal's frames as they were written, until they are sealed.
CREATE TABLE metric_batch (
    id {id},
    run BIGINT NOT NULL REFERENCES runs (n),
    writer TEXT NOT NULL,
    first BIGINT NOT NULL,
    count BIGINT NOT NULL,
    received BIGINT NOT NULL,
    crc BIGINT NOT NULL,
    data {bytes} NOT NULL
);
CREATE INDEX metric_batch_run ON metric_batch (run, id);

-- Up to 4,096 points of one series. The summary stands before the data, so that an overview never opens a blob.
CREATE TABLE metric_chunk (
    run BIGINT NOT NULL REFERENCES runs (n),
    metric BIGINT NOT NULL REFERENCES metrics (id),
    seq BIGINT NOT NULL,
    n BIGINT NOT NULL,
    nans BIGINT NOT NULL,
    first_step DOUBLE PRECISION,
    last_step DOUBLE PRECISION,
    min_step DOUBLE PRECISION,
    max_step DOUBLE PRECISION,
    first_time BIGINT,
    last_time BIGINT,
    min DOUBLE PRECISION,
    max DOUBLE PRECISION,
    sum DOUBLE PRECISION,
    crc BIGINT NOT NULL,
    data {bytes} NOT NULL,
    PRIMARY KEY (run, metric, seq)
);

-- Entries of a series that are no float64: texts, larger integers, lists, rows, tables, artifacts.
-- at: how many points of the series stand before it.
CREATE TABLE metric_row (
    run BIGINT NOT NULL REFERENCES runs (n),
    metric BIGINT NOT NULL REFERENCES metrics (id),
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    step DOUBLE PRECISION,
    time BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, metric, seq)
);

-- One process's handle on one run: `acked` records are in the history, exactly once. lost: records that no journal holds.
CREATE TABLE writers (
    run BIGINT NOT NULL REFERENCES runs (n),
    id TEXT NOT NULL,
    acked BIGINT NOT NULL,
    lost BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run, id)
);

-- Files by the hash of their content; a name may have several versions, the highest is the one that is seen.
CREATE TABLE blobs (
    sha256 TEXT PRIMARY KEY,
    size BIGINT NOT NULL,
    created BIGINT NOT NULL
);
CREATE TABLE artifacts (
    run BIGINT NOT NULL REFERENCES runs (n),
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES blobs (sha256),
    size BIGINT NOT NULL,
    created BIGINT NOT NULL,
    deleted BIGINT
);
-- As much of a name as both databases can index.
CREATE INDEX artifacts_run ON artifacts (run, SUBSTR(name, 1, 250));
CREATE INDEX artifacts_blob ON artifacts (sha256);

-- What happened, written in the transaction that made it happen. sequence counts per run, without gaps.
CREATE TABLE events (
    n {id},
    workspace BIGINT NOT NULL,
    run BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    time BIGINT NOT NULL,
    category TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX events_run ON events (run, sequence);
