//! Ending the sessions that block a statement of the Agent's. Every user of PostgreSQL can lock what all databases share: a
//! transaction that grants a privilege to another account's role, or changes a setting of its database, locks it until the
//! transaction ends, and only its owner or the end of its session ends it.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::servers::postgresql::session::{self, MAINTENANCE};
use opterius_base::deadline::Deadline;

/// How long a statement waits before what is in its way ends, and the pause before another look.
const PAUSE: Duration = Duration::from_secs(1);

/// Time limit of a look.
const LOOK: Duration = Duration::from_secs(5);

/// Does `work`, which runs a session, and meanwhile ends the sessions that block it.
pub(super) fn end_during<T>(deadline: Deadline, work: impl FnOnce() -> T) -> T {
    let (working, ended) = bounded::<()>(0);
    thread::scope(move |scope| {
        // Without this thread, the session waits until its time is over.
        let _ = thread::Builder::new().spawn_scoped(scope, move || watch(&ended, deadline));
        let worked = work();
        drop(working);
        worked
    })
}

fn watch(ended: &Receiver<()>, deadline: Deadline) {
    while ended.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) && !deadline.is_over() {
        // If that fails, the statement that waits says so.
        let _ = session::psql(MAINTENANCE, deadline)
            .and_then(|tool| tool.keep_other_children().input(end_holders()).run(deadline.sooner(LOOK)));
    }
}

/// Ends the sessions that this process's sessions wait for, except those of superusers and of the Agent's dumps. Any user can give
/// a session the name of ours, but only ours are a superuser's.
fn end_holders() -> String {
    format!(
        "SELECT COUNT(pg_terminate_backend(b.pid)) FROM pg_stat_activity a JOIN pg_roles s ON s.oid = a.usesysid AND s.rolsuper \
         CROSS JOIN LATERAL unnest(pg_blocking_pids(a.pid)) AS h(pid) JOIN pg_stat_activity b ON b.pid = h.pid LEFT JOIN pg_roles \
         r ON r.oid = b.usesysid WHERE a.application_name = '{}' AND b.backend_type = 'client backend' AND NOT \
         COALESCE(r.rolsuper, false) AND COALESCE(r.rolname, '') NOT LIKE '%:login';\n",
        session::name()
    )
}
