-- What runs read and what they made: versions of assets, under the name that a run has for each.
-- direction: input or output. details: how it was given to the run, or by it (JSON).
CREATE TABLE lineage (
    run BIGINT NOT NULL REFERENCES runs (n),
    direction TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    asset TEXT NOT NULL,
    version BIGINT NOT NULL,
    details TEXT NOT NULL,
    created BIGINT NOT NULL,
    PRIMARY KEY (run, direction, name)
) {clustered};
CREATE INDEX lineage_asset ON lineage (kind, asset, version, run);
