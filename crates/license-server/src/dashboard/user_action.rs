//! Actions of administrators on a user.

/// An action on a user. Each has a page that explains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UserAction {
    Edit,
    /// Makes a link with which the user sets a password.
    Link,
    Disable,
    Enable,
    EndSessions,
    ResetSecondFactor,
    Delete,
}

impl UserAction {
    pub(super) const ALL: [Self; 7] =
        [Self::Edit, Self::Link, Self::EndSessions, Self::ResetSecondFactor, Self::Disable, Self::Enable, Self::Delete];

    /// Its name in URLs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Link => "link",
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::EndSessions => "end-sessions",
            Self::ResetSecondFactor => "reset-second-factor",
            Self::Delete => "delete",
        }
    }

    /// Whether it takes something from the user.
    pub(super) fn is_dangerous(self) -> bool {
        matches!(self, Self::EndSessions | Self::ResetSecondFactor | Self::Disable | Self::Delete)
    }

    /// The action with this name.
    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}
