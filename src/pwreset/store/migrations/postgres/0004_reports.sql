-- Works with programs that know: 2
-- What the operator of the phone network said became of an SMS: buffered, delivered or failed; empty: nothing yet.
ALTER TABLE deliveries ADD COLUMN report TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN reported_at BIGINT;
ALTER TABLE deliveries ADD COLUMN report_detail TEXT NOT NULL DEFAULT '';
