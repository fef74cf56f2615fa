-- The newest time of what a writer has logged, in ns since 1970: times before it are odd.

ALTER TABLE writers ADD COLUMN newest BIGINT;
