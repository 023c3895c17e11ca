//! Limits the pages that a session can request at once. Two threads render the pages of all users in order, so queued pages
//! count too: a session that requests hundreds of pages must not delay the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The maximum number of concurrent pages per session. A browser that restores its tabs requests several.
pub(super) const MAX_PAGES: usize = 8;

/// The number of pending pages of each session.
#[derive(Debug, Default)]
pub(super) struct PageSlots(Arc<Mutex<HashMap<String, usize>>>);

/// The slot of a pending page; released when dropped.
#[derive(Debug)]
pub(super) struct PageSlot {
    page_slots: PageSlots,
    session: String,
}

impl PageSlots {
    /// Takes a slot of this session, if one is free.
    pub(super) fn take(&self, session: &str) -> Option<PageSlot> {
        let mut taken = self.lock();
        let count = taken.entry(session.to_owned()).or_default();
        if *count >= MAX_PAGES {
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
    fn slots_are_limited_per_session_and_released() {
        let page_slots = PageSlots::default();
        let mut taken: Vec<PageSlot> = (0..MAX_PAGES).filter_map(|_| page_slots.take("a")).collect();
        assert_eq!(taken.len(), MAX_PAGES);
        assert!(page_slots.take("a").is_none());
        assert!(page_slots.take("b").is_some(), "another session has its own slots");
        taken.pop();
        taken.extend(page_slots.take("a"));
        assert!(taken.len() == MAX_PAGES && page_slots.take("a").is_none());
        drop(taken);
        assert!(page_slots.lock().is_empty());
    }
}
