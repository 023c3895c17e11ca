//! A page of a list costs what a page needs: PostgreSQL itself counts the rows that it reads for each.

use crate::support::TempDirectory;
use crate::support::engine::DatabasePlace;
use crate::support::eventually;
use crate::support::license_database::{LicenseDatabase, ip};
use crate::support::postgresql::{Cluster, PATIENCE, ROLE};
use opterius_base::clock::{SystemClock, Timestamp};
use opterius_license_server::model::Standing;
use opterius_license_server::store::{Error, Filter, ReadTransaction, Sort};
use std::sync::Arc;

/// The licenses of the database: as many as a vendor has for whom a scan is slow.
const LICENSES: u32 = 100_000;

/// Items of a page.
const PAGE: u32 = 50;

/// What a page may read: its licenses, each with its owner, plan and at most 1001 servers, and what shows that there are more.
const OF_A_PAGE: u64 = 2000;

/// What a page may read if few licenses pass the filter: the entries of an index that are looked at, for each condition.
const OF_A_SEARCH: u64 = 35_000;

/// User 1 has six of ten licenses, the others have forty each. License 100000 has 100,000 servers, and so have the history and a
/// webhook entries.
const FILL: &str = "
    INSERT INTO users (name, folded_name, password, administrator, created_at, mail)
        SELECT 'user' || n, 'user' || lpad(n::text, 5, '0'), '', 0, 1, 'user' || n || '@example.com' FROM generate_series(1, 1001) AS n;
    INSERT INTO licenses (key, owner, plan, status, expires_at, created_at, revision, reference, trial, last_check_at, over_limit)
        SELECT 'KEY-' || n, CASE WHEN n % 10 < 6 THEN 1 ELSE 2 + n / 10 % 1000 END,
            (ARRAY['free', 'starter', 'business', 'datacenter'])[1 + n / 3 % 4],
            (ARRAY['active', 'active', 'suspended', 'cancelled'])[1 + n / 12 % 4],
            CASE WHEN n % 3 = 0 THEN NULL ELSE 1700000000 + n % 7 * 100000000::bigint + n END, 1, 1, 'order-' || n,
            (n / 10 % 5 = 0)::int, CASE WHEN n / 250 % 2 = 0 THEN 0 ELSE 1800000000 + n END, (n % 100 = 0)::int
        FROM generate_series(1, 100000) AS n;
    INSERT INTO license_labels (label, license) SELECT 'many', id FROM licenses WHERE id % 2 = 0;
    INSERT INTO license_labels (label, license) SELECT 'few', id FROM licenses WHERE id % 5000 = 7;
    INSERT INTO activations (license, ip, sequence, started_at, last_seen_at, observed_ip, hostname)
        SELECT id, '10.0.0.1', id, 1, 9000000000, '10.0.0.1', 'localhost' FROM licenses WHERE id % 2 = 1;
    INSERT INTO activations (license, ip, sequence, started_at, last_seen_at, observed_ip, hostname)
        SELECT 100000, host('10.1.0.0'::inet + n), 200000 + n, 1, 9000000000, '10.0.0.1', 'host-' || n FROM generate_series(1, 100000) AS n;
    INSERT INTO events (at, license, role, actor, action, detail)
        SELECT n, CASE WHEN n % 2 = 0 THEN 100000 ELSE n END, 'owner', 'user1', 'created', '' FROM generate_series(1, 100000) AS n;
    INSERT INTO webhooks (url, secret, created_at) VALUES ('https://example.com', 'secret', 1), ('https://example.com/2', 'secret', 1);
    INSERT INTO webhook_events (name, type, created_at, license, data)
        SELECT 'evt_' || n, 'license.created', n, 1, '{}' FROM generate_series(1, 100000) AS n;
    INSERT INTO webhook_deliveries (webhook, event, state, queued_at, next_at)
        SELECT 1 + id % 2, id, 'delivered', 1, 2 FROM webhook_events;
    ANALYZE";

/// A database with many rows, and what PostgreSQL has counted in it.
struct Counted {
    cluster: Cluster,
    database: LicenseDatabase,
    /// Rows that a new session reads.
    of_session: u64,
    _directory: TempDirectory,
}

impl Counted {
    fn new() -> Counted {
        // Nothing but the lists reads the tables.
        let cluster = Cluster::builder().set("fsync", "off").set("autovacuum", "off").start();
        let directory = TempDirectory::new();
        let place = DatabasePlace::named(&cluster.uri());
        let database = LicenseDatabase::at(place, &directory.path().join("data"), Arc::new(SystemClock));
        database.data_dir.create(database.now()).unwrap_or_else(|error| panic!("{error}"));
        for statement in FILL.split(';') {
            cluster.psql(statement);
        }
        assert_eq!(cluster.psql("SELECT count(*) FROM licenses"), LICENSES.to_string());
        let mut counted = Counted { cluster, database, of_session: 0, _directory: directory };
        counted.of_session = counted.count(|_| Ok(())).1;
        counted
    }

    /// Rows and entries of indexes that all ended sessions have read.
    fn read_so_far(&self) -> u64 {
        let sql = format!(
            "SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables) + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes)
            WHERE NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE usename = '{ROLE}')"
        );
        let mut rows = String::new();
        let is_over = eventually(PATIENCE, || {
            rows = self.cluster.psql(&sql);
            !rows.is_empty()
        });
        assert!(is_over, "a session does not end");
        rows.parse().unwrap()
    }

    /// What `work` returns, and how many rows were read for it.
    fn count<T>(&self, work: impl FnOnce(&ReadTransaction<'_>) -> Result<T, Error>) -> (T, u64) {
        let before = self.read_so_far();
        let result = self.database.read(work);
        (result, self.read_so_far() - before - self.of_session)
    }

    /// The rows read for the first and the second page of a list of licenses, each `expected` long.
    fn pages(&self, filter: &Filter, expected: usize) -> Vec<u64> {
        let mut filter = filter.clone();
        let mut counts = Vec::new();
        while counts.len() < 2 {
            let (page, rows) = self.count(|transaction| transaction.licenses(&filter, PAGE, self.database.now()));
            assert_eq!(page.licenses.len(), expected, "{filter:?}");
            counts.push(rows);
            filter.after = page.next;
            if filter.after.is_none() {
                break;
            }
        }
        counts
    }
}

/// Filters that many licenses pass.
fn broad() -> Vec<Filter> {
    let all = Filter::default();
    let mut filters = vec![
        all.clone(),
        Filter { owner: Some(1), ..all.clone() },
        Filter { plan: text("free"), ..all.clone() },
        Filter { never_used: true, ..all.clone() },
        Filter { trial: true, ..all.clone() },
        Filter { label: text("many"), ..all.clone() },
        Filter { expires_before: Some(Timestamp::from_unix(2_000_000_000)), ..all.clone() },
    ];
    let standings = [Standing::Active, Standing::Suspended, Standing::Cancelled];
    filters.extend(standings.map(|standing| Filter { standing: Some(standing), ..all.clone() }));
    filters
}

/// Filters that few licenses pass, with their numbers, or one page of them.
fn narrow() -> Vec<(Filter, usize)> {
    let all = Filter::default();
    vec![
        (Filter { plan: text("free"), trial: true, ..all.clone() }, 50),
        (Filter { standing: Some(Standing::Expired), ..all.clone() }, 50),
        (Filter { label: text("few"), ..all.clone() }, 20),
        (Filter { owner: Some(1001), ..all.clone() }, 40),
        (Filter { owner: Some(1001), plan: text("free"), ..all.clone() }, 12),
        (Filter { reference: text("order-77"), ..all.clone() }, 1),
        (Filter { server_ip: Some(ip("10.9.9.9")), ..all.clone() }, 0),
        (Filter { search: text("order-7777"), ..all.clone() }, 11),
    ]
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_page_reads_what_it_needs_however_many_there_are() {
    let counted = Counted::new();
    let mut too_many = Vec::new();
    let mut check = |filter: Filter, expected: usize, limit: u64| {
        let counts = counted.pages(&filter, expected);
        if counts.iter().any(|rows| *rows > limit) {
            too_many.push(format!("{counts:?} {filter:?}"));
        }
    };
    for sort in Sort::ALL {
        for filter in broad() {
            check(Filter { sort: *sort, ..filter }, PAGE as usize, OF_A_PAGE);
        }
        for (filter, expected) in narrow() {
            check(Filter { sort: *sort, ..filter }, expected, OF_A_SEARCH);
        }
    }
    for sort in [Sort::Newest, Sort::Oldest] {
        for filter in [
            Filter { server_ip: Some(ip("10.0.0.1")), ..Filter::default() },
            Filter { hostname: text("localhost"), ..Filter::default() },
        ] {
            check(Filter { sort, ..filter }, PAGE as usize, OF_A_PAGE);
        }
    }
    let of_other_lists = [
        ("history", counted.count(|transaction| Ok(transaction.history(None, None, PAGE)?.len()))),
        ("older history", counted.count(|transaction| Ok(transaction.history(None, Some(50_000), PAGE)?.len()))),
        (
            "history of a license",
            counted.count(|transaction| Ok(transaction.history(Some(100_000), Some(50_000), PAGE)?.len())),
        ),
        ("events", counted.count(|transaction| Ok(transaction.history_after(None, 50_000, PAGE)?.len()))),
        (
            "events of a license",
            counted.count(|transaction| Ok(transaction.history_after(Some(100_000), 50_000, PAGE)?.len())),
        ),
        (
            "servers",
            counted.count(|transaction| {
                Ok(transaction.activations_after(100_000, 250_000, Timestamp::from_unix(0), PAGE)?.len())
            }),
        ),
        ("users", counted.count(|transaction| Ok(transaction.list_users("user00500", "", PAGE)?.len()))),
        ("users by e-mail", counted.count(|transaction| Ok(transaction.users_by_mail("user", PAGE)?.len()))),
        ("deliveries", counted.count(|transaction| Ok(transaction.deliveries(1, Some(50_000), PAGE)?.len()))),
    ];
    for (list, (length, rows)) in of_other_lists {
        assert_eq!(length, PAGE as usize, "{list}");
        if rows > u64::from(PAGE) * 4 {
            too_many.push(format!("{rows} {list}"));
        }
    }
    assert!(too_many.is_empty(), "{too_many:#?}");
}
