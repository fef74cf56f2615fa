-- Work that is to be done somewhere: a job for each submitted run, where it may run, and the code that it runs.

ALTER TABLE runs ADD COLUMN snapshot TEXT;
-- What was asked for, as the original's runDefinition shows it (JSON).
ALTER TABLE runs ADD COLUMN definition TEXT;

-- state: queued, claimed (an agent has it), started (a supervisor has it), ended.
-- attempt counts the starts; what an older attempt says is refused. supervisor, script: processes (JSON).
-- handle: the engine's own name of the job. cancel: when its end was asked for.
CREATE TABLE jobs (
    run BIGINT PRIMARY KEY REFERENCES runs (n),
    workspace BIGINT NOT NULL REFERENCES workspaces (id),
    target TEXT NOT NULL,
    state TEXT NOT NULL,
    priority BIGINT NOT NULL DEFAULT 0,
    spec TEXT NOT NULL,
    attempt BIGINT NOT NULL DEFAULT 0,
    agent TEXT,
    supervisor TEXT,
    script TEXT,
    handle TEXT,
    cancel BIGINT,
    created BIGINT NOT NULL,
    beat BIGINT NOT NULL
);
CREATE INDEX jobs_queue ON jobs (target, priority DESC, run) WHERE state = 'queued';
CREATE INDEX jobs_active ON jobs (state) WHERE state <> 'ended';

-- Where work may run. config: what its launcher needs (JSON); concurrent: how many runs at a time.
CREATE TABLE targets (
    workspace BIGINT NOT NULL REFERENCES workspaces (id),
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    config TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (workspace, name)
);

-- A source directory, by the hash of its manifest: [[path, sha256, size, executable], ...] (JSON).
CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    manifest TEXT NOT NULL,
    files BIGINT NOT NULL,
    size BIGINT NOT NULL,
    created BIGINT NOT NULL
);
-- What its files are made of, so that no blob goes while a snapshot needs it.
CREATE TABLE snapshot_blobs (
    snapshot TEXT NOT NULL REFERENCES snapshots (id),
    sha256 TEXT NOT NULL REFERENCES blobs (sha256),
    PRIMARY KEY (snapshot, sha256)
);
CREATE INDEX snapshot_blobs_sha256 ON snapshot_blobs (sha256);

-- Registered models, data sets, environments, datastores and secrets: versions of a name. body: the rest (JSON).
CREATE TABLE assets (
    n {id},
    workspace BIGINT NOT NULL REFERENCES workspaces (id),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    body TEXT NOT NULL,
    created BIGINT NOT NULL,
    deleted BIGINT
);
CREATE UNIQUE INDEX assets_name ON assets (workspace, kind, name, version);
