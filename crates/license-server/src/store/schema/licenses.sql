-- What the vendor keeps beside a license. `labels` are separated by single spaces.
ALTER TABLE licenses ADD COLUMN reference TEXT;
ALTER TABLE licenses ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE licenses ADD COLUMN labels TEXT NOT NULL DEFAULT '';
ALTER TABLE licenses ADD COLUMN suspension_reason TEXT;
ALTER TABLE licenses ADD COLUMN trial INTEGER NOT NULL DEFAULT 0 CHECK (trial IN (0, 1));

CREATE UNIQUE INDEX licenses_by_reference ON licenses (reference) WHERE reference IS NOT NULL;
