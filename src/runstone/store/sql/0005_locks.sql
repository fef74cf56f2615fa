-- When somebody protected the run: until it is unlocked it is neither deleted nor renamed, described or tagged anew.
ALTER TABLE runs ADD COLUMN locked BIGINT;
