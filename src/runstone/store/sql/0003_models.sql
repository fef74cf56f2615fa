-- What a registered version is made of: no blob goes while one needs it, whatever becomes of the run it came from.
-- path: where a download puts the file.
CREATE TABLE asset_files (
    asset BIGINT NOT NULL REFERENCES assets (n),
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES blobs (sha256),
    size BIGINT NOT NULL
);
CREATE INDEX asset_files_asset ON asset_files (asset);
CREATE INDEX asset_files_sha256 ON asset_files (sha256);

-- Secrets of a workspace. folded: the name in small letters, by which it is found. sealed: the value, encrypted
-- (base64); key: which key opens it, and never the key itself.
CREATE TABLE secrets (
    workspace BIGINT NOT NULL REFERENCES workspaces (id),
    folded TEXT NOT NULL,
    name TEXT NOT NULL,
    sealed TEXT NOT NULL,
    key TEXT NOT NULL,
    content_type TEXT NOT NULL,
    changed BIGINT NOT NULL,
    PRIMARY KEY (workspace, folded)
);
