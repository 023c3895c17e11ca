//! What the owner of a site sets. nginx itself is asked for the effect.

mod aliases;
mod directives;
mod hotlinks;
mod passwords;
mod redirects;

use super::{hosting, publish};
use crate::support::panel::Panel;

/// Alice and Bob, each with a site.
pub(super) fn alice_and_bob() -> Panel {
    let panel = hosting(5);
    for name in ["alice", "bob"] {
        panel.created(name, &format!("{name}.example"));
        publish(name, &format!("{name}.example"), "index.html", &format!("The page of {name}"));
    }
    panel
}
