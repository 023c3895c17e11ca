//! Licenses, plans and settings.

use std::net::IpAddr;

use super::engine::{Queries, Row, params};
use super::error::Error;
use super::transactions::{ReadTransaction, WriteTransaction};
use super::values::{at, at_if_any};
use crate::model::{ACTIVE_TIME, Billing, License, Plan, Status};
use crate::random_token::random_id;
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;

/// A license to insert.
pub struct NewLicense<'a> {
    /// The key.
    pub key: &'a Secret,
    /// The owner's number.
    pub owner: i64,
    /// The plan's slug.
    pub plan: &'a str,
    /// The expiry; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// The only address that can use it.
    pub locked_ip: Option<IpAddr>,
    /// The vendor's own number of it.
    pub reference: Option<&'a str>,
    /// The vendor's note.
    pub note: &'a str,
    /// The vendor's labels.
    pub labels: &'a [String],
    /// Whether it is a trial.
    pub is_trial: bool,
}

impl<'a> NewLicense<'a> {
    /// A license that never expires, is no trial, and has no lock, reference, note or labels.
    pub fn plain(key: &'a Secret, owner: i64, plan: &'a str) -> Self {
        Self {
            key,
            owner,
            plan,
            expires_at: None,
            locked_ip: None,
            reference: None,
            note: "",
            labels: &[],
            is_trial: false,
        }
    }
}

/// The columns of a license, as [`license`] reads them.
pub(super) const LICENSE: &str = "
    SELECT licenses.id, licenses.key, licenses.owner, users.name, plans.slug, plans.name, plans.max_accounts,
        plans.max_servers, licenses.status, licenses.expires_at, licenses.locked_ip, licenses.subscription_status,
        licenses.cancel_at_period_end, licenses.current_period_end, licenses.created_at, licenses.revision,
        licenses.reference, licenses.note, licenses.labels, licenses.suspension_reason, licenses.trial,
        licenses.last_check_at
    FROM licenses
    JOIN plans ON plans.slug = licenses.plan
    JOIN users ON users.id = licenses.owner";

/// How many columns these are.
pub(super) const COLUMNS: usize = 22;

pub(super) fn license(row: &Row<'_>) -> Result<License, Error> {
    Ok(License {
        id: row.get(0)?,
        key: Secret::new(row.get(1)?),
        owner: row.get(2)?,
        owner_name: row.get(3)?,
        plan: Plan { slug: row.get(4)?, name: row.get(5)?, max_accounts: row.get(6)?, max_servers: row.get(7)? },
        status: row.get(8)?,
        expires_at: at_if_any(row, 9)?,
        locked_ip: row.get(10)?,
        billing: Billing {
            subscription_status: row.get(11)?,
            cancel_at_period_end: row.get(12)?,
            current_period_end: at_if_any(row, 13)?,
        },
        created_at: at(row, 14)?,
        revision: row.get(15)?,
        reference: row.get(16)?,
        note: row.get(17)?,
        labels: row.get::<String>(18)?.split_whitespace().map(str::to_owned).collect(),
        suspension_reason: row.get(19)?,
        is_trial: row.get(20)?,
        last_check_at: Some(at(row, 21)?).filter(|at| at.unix() > 0),
    })
}

fn plan(row: &Row<'_>) -> Result<Plan, Error> {
    Ok(Plan { slug: row.get(0)?, name: row.get(1)?, max_accounts: row.get(2)?, max_servers: row.get(3)? })
}

impl ReadTransaction<'_> {
    /// The license with this number.
    ///
    /// # Errors
    /// A store error.
    pub fn license(&self, id: i64) -> Result<Option<License>, Error> {
        self.0.query_optional(&format!("{LICENSE} WHERE licenses.id = ?1"), params![id], license)
    }

    /// The license with this key.
    ///
    /// # Errors
    /// A store error.
    pub fn license_by_key(&self, key: &str) -> Result<Option<License>, Error> {
        if let Some(found) = self.0.batch().and_then(|batch| batch.license_by_key(key)) {
            return Ok(found);
        }
        self.0.query_optional(&format!("{LICENSE} WHERE licenses.key = ?1"), params![key], license)
    }

    /// The license with this reference.
    ///
    /// # Errors
    /// A store error.
    pub fn license_by_reference(&self, reference: &str) -> Result<Option<License>, Error> {
        self.0.query_optional(&format!("{LICENSE} WHERE licenses.reference = ?1"), params![reference], license)
    }

    /// All plans, smallest first.
    ///
    /// # Errors
    /// A store error.
    pub fn plans(&self) -> Result<Vec<Plan>, Error> {
        let order = "max_servers = 0, max_servers, max_accounts = 0, max_accounts, slug";
        let sql = format!("SELECT slug, name, max_accounts, max_servers FROM plans ORDER BY {order}");

        self.0.query(&sql, &[], plan)
    }

    /// The number of licenses of this plan with more than its servers active after `since`, up to `most`. It looks at the
    /// newest 200,000 of them.
    ///
    /// # Errors
    /// A store error.
    pub fn licenses_with_more(&self, plan: &Plan, since: Timestamp, most: u32) -> Result<u32, Error> {
        let sql = "SELECT count(*) FROM (
            SELECT 1 FROM (SELECT id FROM licenses WHERE plan = ?1 ORDER BY id DESC LIMIT 200000) AS found
            WHERE (SELECT count(*) FROM (
                SELECT 1 FROM activations WHERE license = found.id AND last_seen_at > ?2 ORDER BY ip LIMIT ?3 + 1) AS active) > ?3
            LIMIT ?4) AS over";
        let parameters = params![plan.slug, since.unix(), plan.max_servers, most];
        self.0.query_row(sql, parameters, |row| row.get(0))
    }

    /// An internal setting of the server.
    ///
    /// # Errors
    /// A store error.
    pub fn setting(&self, name: &str) -> Result<Option<String>, Error> {
        self.0.query_optional("SELECT value FROM settings WHERE name = ?1", params![name], |row| row.get(0))
    }
}

impl WriteTransaction<'_> {
    /// Inserts a license and returns its number.
    ///
    /// # Errors
    /// [`Error::Taken`] if the key or the reference exists, or another store error.
    pub fn insert_license(&self, new: &NewLicense<'_>) -> Result<i64, Error> {
        let sql =
            "INSERT INTO licenses (key, owner, plan, status, expires_at, locked_ip, created_at, reference, note, trial,
                labels, revision)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 1)";
        let id = self.connection().insert(
            sql,
            params![
                new.key.expose(),
                new.owner,
                new.plan,
                Status::Active.as_str(),
                new.expires_at.map(Timestamp::unix),
                new.locked_ip,
                self.now().unix(),
                new.reference,
                new.note,
                new.is_trial,
                new.labels.join(" "),
            ],
        )?;
        self.put_labels(id, new.labels)?;
        Ok(id)
    }

    /// Stores what can change of a license, and increments its revision.
    ///
    /// # Errors
    /// [`Error::Taken`] if another license has its reference, or another store error.
    pub fn update_license(&self, license: &License) -> Result<(), Error> {
        let sql =
            "UPDATE licenses SET plan = ?2, status = ?3, expires_at = ?4, locked_ip = ?5, subscription_status = ?6,
            cancel_at_period_end = ?7, current_period_end = ?8, reference = ?9, note = ?10, labels = ?11,
            suspension_reason = ?12, trial = ?13, owner = ?14, revision = revision + 1 WHERE id = ?1";
        self.connection().execute(
            sql,
            params![
                license.id,
                license.plan.slug,
                license.status.as_str(),
                license.expires_at.map(Timestamp::unix),
                license.locked_ip,
                license.billing.subscription_status,
                license.billing.cancel_at_period_end,
                license.billing.current_period_end.map(Timestamp::unix),
                license.reference,
                license.note,
                license.labels.join(" "),
                license.suspension_reason,
                license.is_trial,
                license.owner,
            ],
        )?;
        self.connection().execute("DELETE FROM license_labels WHERE license = ?1", params![license.id])?;
        self.put_labels(license.id, &license.labels)?;
        let over = self.is_over_limit(license.id, self.now())?;
        self.set_over_limit(license.id, over)
    }

    fn put_labels(&self, license: i64, labels: &[String]) -> Result<(), Error> {
        for label in labels {
            let sql = "INSERT INTO license_labels (label, license) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            self.connection().execute(sql, params![label, license])?;
        }
        Ok(())
    }

    /// Records whether the license has more active servers than its plan allows.
    fn set_over_limit(&self, id: i64, over: bool) -> Result<(), Error> {
        let sql = "UPDATE licenses SET over_limit = ?2 WHERE id = ?1 AND over_limit <> ?2";
        self.connection().execute(sql, params![id, over])?;
        Ok(())
    }

    /// Deletes the license and its activations. Its history is kept.
    ///
    /// # Errors
    /// A store error.
    pub fn delete_license(&self, id: i64) -> Result<(), Error> {
        self.connection().execute("DELETE FROM licenses WHERE id = ?1", params![id])?;
        Ok(())
    }

    /// Inserts or updates a plan.
    ///
    /// # Errors
    /// A store error.
    pub fn put_plan(&self, plan: &Plan) -> Result<(), Error> {
        let sql = "INSERT INTO plans (slug, name, max_accounts, max_servers) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (slug) DO UPDATE SET name = ?2, max_accounts = ?3, max_servers = ?4";
        self.connection().execute(sql, params![plan.slug, plan.name, plan.max_accounts, plan.max_servers])?;
        if plan.max_servers > 0 {
            let sql =
                "UPDATE licenses SET over_limit = 1 WHERE plan = ?1 AND over_limit = 0 AND ?2 < (SELECT count(*) FROM (
                SELECT 1 FROM activations WHERE license = licenses.id AND last_seen_at > ?3 ORDER BY ip LIMIT ?2 + 1) AS active)";
            let since = self.now().minus(ACTIVE_TIME);
            self.connection().execute(sql, params![plan.slug, plan.max_servers, since.unix()])?;
        }
        Ok(())
    }

    /// Sets an internal setting to a new random value.
    ///
    /// # Errors
    /// A store error.
    pub fn put_random_setting(&self, name: &str) -> Result<(), Error> {
        self.put_setting(name, &random_id()?)
    }

    /// Sets an internal setting.
    ///
    /// # Errors
    /// A store error.
    pub fn put_setting(&self, name: &str, value: &str) -> Result<(), Error> {
        let sql = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
        self.connection().execute(sql, params![name, value])?;
        Ok(())
    }
}
