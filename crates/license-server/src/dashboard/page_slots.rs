//! How many pages one session may ask for at one time. Two threads make the pages of all users in the order in which they
//! are asked for, so the pages that wait count, too: who asks for hundreds at once makes nobody else wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Pages that one session may ask for at one time: a browser that opens its tabs again asks for several.
pub(super) const AT_ONCE: usize = 8;

/// The sessions for which pages are asked for, and how many of each.
#[derive(Debug, Default)]
pub(super) struct PageSlots(Arc<Mutex<HashMap<String, usize>>>);

/// A page that is asked for.
#[derive(Debug)]
pub(super) struct PageSlot {
    page_slots: PageSlots,
    session: String,
}

impl PageSlots {
    /// A place for a page of this session until it is dropped, if there is one left.
    pub(super) fn take(&self, session: &str) -> Option<PageSlot> {
        let mut taken = self.lock();
        let count = taken.entry(session.to_owned()).or_default();
        if *count >= AT_ONCE {
            return None;
        }
        *count = count.saturating_add(1);
        drop(taken);
        Some(PageSlot { page_slots: Self(Arc::clone(&self.0)), session: session.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PageSlot {
    fn drop(&mut self) {
        let mut taken = self.page_slots.lock();
        match taken.get_mut(&self.session) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => drop(taken.remove(&self.session)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_its_places_and_nothing_of_it_is_left() {
        let page_slots = PageSlots::default();
        let mut taken: Vec<PageSlot> = (0..AT_ONCE).filter_map(|_| page_slots.take("a")).collect();
        assert_eq!(taken.len(), AT_ONCE);
        assert!(page_slots.take("a").is_none());
        assert!(page_slots.take("b").is_some(), "another session has places of its own");
        taken.pop();
        taken.extend(page_slots.take("a"));
        assert!(taken.len() == AT_ONCE && page_slots.take("a").is_none());
        drop(taken);
        assert!(page_slots.lock().is_empty());
    }
}
