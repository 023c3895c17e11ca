-- What the vendor keeps beside a license. `labels` are separated by single spaces.
ALTER TABLE licenses ADD COLUMN reference TEXT;
ALTER TABLE licenses ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE licenses ADD COLUMN labels TEXT NOT NULL DEFAULT '';
ALTER TABLE licenses ADD COLUMN suspension_reason TEXT;
ALTER TABLE licenses ADD COLUMN trial INTEGER NOT NULL DEFAULT 0 CHECK (trial IN (0, 1));

CREATE UNIQUE INDEX licenses_by_reference ON licenses (reference) WHERE reference IS NOT NULL;

-- What lists show and sort by: the latest check-in of any server. The first is stored at once and later ones by garbage
-- collection, because a check-in must not touch an index. 0: never used.
ALTER TABLE licenses ADD COLUMN last_check_at INTEGER NOT NULL DEFAULT 0;

-- Whether more servers were active than the plan allows when that was last looked at. A list counts these again.
ALTER TABLE licenses ADD COLUMN over_limit INTEGER NOT NULL DEFAULT 0 CHECK (over_limit IN (0, 1));

UPDATE licenses SET last_check_at = max(
    coalesce((SELECT max(last_seen_at) FROM activations WHERE license = licenses.id), 0),
    coalesce((SELECT max(at) FROM events WHERE license = licenses.id AND action = 'activated'), 0));

UPDATE licenses SET over_limit = 1 WHERE
    (SELECT max_servers FROM plans WHERE slug = licenses.plan) > 0
    AND (SELECT count(*) FROM activations WHERE license = licenses.id) > (SELECT max_servers FROM plans WHERE slug = licenses.plan);

-- The labels of licenses, for lists; `licenses.labels` is what people wrote.
CREATE TABLE license_labels (
    label TEXT NOT NULL,
    license INTEGER NOT NULL REFERENCES licenses (id) ON DELETE CASCADE,
    PRIMARY KEY (label, license)
) STRICT, WITHOUT ROWID;

CREATE INDEX labels_of_license ON license_labels (license);

-- Each filter and each order of a list has an index. All end with the number of the license, implicitly.
-- Licenses without an expiry come after all others.
CREATE INDEX licenses_by_plan ON licenses (plan);

CREATE INDEX licenses_by_plan_and_expiry ON licenses (plan, coalesce(expires_at, 9223372036854775807));

CREATE INDEX licenses_by_standing ON licenses (status, coalesce(expires_at, 9223372036854775807));

CREATE INDEX licenses_not_active ON licenses (status) WHERE status <> 'active';

CREATE INDEX licenses_by_expiry ON licenses (coalesce(expires_at, 9223372036854775807));

CREATE INDEX licenses_by_last_check ON licenses (last_check_at);

CREATE INDEX licenses_over_limit ON licenses (over_limit) WHERE over_limit = 1;

CREATE INDEX licenses_on_trial ON licenses (trial) WHERE trial = 1;

CREATE INDEX licenses_by_locked_ip ON licenses (locked_ip) WHERE locked_ip IS NOT NULL;

-- Searches by server. A check-in changes neither column unless the host name changed.
CREATE INDEX activations_by_ip ON activations (ip);

CREATE INDEX activations_by_hostname ON activations (lower(hostname)) WHERE hostname IS NOT NULL;
