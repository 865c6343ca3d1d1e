-- Works with programs that know: 1
-- The table is there since 1. Counts that come from a SQLite store say nothing of how many are allowed; whoever asks does.
ALTER TABLE counters ALTER COLUMN most SET DEFAULT 0;
