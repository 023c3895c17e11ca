//! The actions on a webhook, as URLs name them.

/// An action on a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WebhookAction {
    /// Send a test event.
    Test,
    /// Send one event again.
    Replay,
    /// Send all events again that were given up.
    ReplayGivenUp,
    /// Give it a new secret.
    Rotate,
    /// Remove it.
    Remove,
}

impl WebhookAction {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [Self::Test, Self::Replay, Self::ReplayGivenUp, Self::Rotate, Self::Remove];

    /// Its name in URLs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Replay => "replay",
            Self::ReplayGivenUp => "replay-given-up",
            Self::Rotate => "rotate",
            Self::Remove => "remove",
        }
    }

    /// Whether it asks on a page of its own first.
    pub(super) fn asks(self) -> bool {
        matches!(self, Self::Rotate | Self::Remove)
    }
}
