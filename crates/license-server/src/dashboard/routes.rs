//! The URLs of the dashboard. All links and redirects are written by [`Route`], from numbers and constants.

use std::fmt;

use super::administrator_actions::LICENSE_ACTIONS;
use super::license_action::{ActionTarget, LicenseAction};
use super::server_actions::SERVER_ACTIONS;
use super::user_action::UserAction;
use super::webhook_action::WebhookAction;

/// A page or the target of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Home,
    Overview,
    SignIn,
    /// The second step of signing in.
    SignInCode,
    SignOut,
    /// Where a link leads with which a user sets a password.
    SetPassword,
    Account,
    EndSession,
    EndSessions,
    Password,
    SecondFactor,
    RemoveSecondFactor,
    RecoveryCodes,
    Users,
    NewUser,
    User(i64),
    /// An action on a user.
    UserAction(i64, UserAction),
    Licenses,
    /// The list as CSV.
    LicensesCsv,
    /// A change of several licenses.
    BulkChange,
    NewLicense,
    License(i64),
    Key(i64),
    /// An action on a license.
    LicenseAction(i64, &'static LicenseAction),
    Plans,
    Webhooks,
    NewWebhook,
    Webhook(i64),
    /// An action on a webhook.
    WebhookAction(i64, WebhookAction),
    ApiTokens,
    NewApiToken,
    RevokeApiToken(i64),
    History,
    Style,
    Icon,
}

/// All actions on a license.
pub(super) fn license_actions() -> impl Iterator<Item = &'static LicenseAction> {
    LICENSE_ACTIONS.iter().chain(SERVER_ACTIONS)
}

impl Route {
    /// The route with this path.
    pub(super) fn find(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        match *parts {
            [""] => Some(Self::Home),
            ["overview"] => Some(Self::Overview),
            ["sign-in"] => Some(Self::SignIn),
            ["sign-in", "code"] => Some(Self::SignInCode),
            ["sign-out"] => Some(Self::SignOut),
            ["set-password"] => Some(Self::SetPassword),
            ["account"] => Some(Self::Account),
            ["account", "end-session"] => Some(Self::EndSession),
            ["account", "end-sessions"] => Some(Self::EndSessions),
            ["second-factor"] => Some(Self::SecondFactor),
            ["second-factor", "remove"] => Some(Self::RemoveSecondFactor),
            ["second-factor", "recovery-codes"] => Some(Self::RecoveryCodes),
            ["users"] => Some(Self::Users),
            ["users", "new"] => Some(Self::NewUser),
            ["users", id] => Some(Self::User(number(id)?)),
            ["users", id, name] => Some(Self::UserAction(number(id)?, UserAction::find(name)?)),
            ["password"] => Some(Self::Password),
            ["licenses"] => Some(Self::Licenses),
            ["licenses", "csv"] => Some(Self::LicensesCsv),
            ["licenses", "bulk"] => Some(Self::BulkChange),
            ["licenses", "new"] => Some(Self::NewLicense),
            ["licenses", id] => Some(Self::License(number(id)?)),
            ["licenses", id, "key"] => Some(Self::Key(number(id)?)),
            ["licenses", id, name] => {
                let license_action = license_actions().find(|license_action| license_action.name == name)?;
                Some(Self::LicenseAction(number(id)?, license_action))
            }
            ["plans"] => Some(Self::Plans),
            ["webhooks"] => Some(Self::Webhooks),
            ["webhooks", "new"] => Some(Self::NewWebhook),
            ["webhooks", id] => Some(Self::Webhook(number(id)?)),
            ["webhooks", id, name] => {
                let action = WebhookAction::ALL.into_iter().find(|action| action.name() == name)?;
                Some(Self::WebhookAction(number(id)?, action))
            }
            ["api-tokens"] => Some(Self::ApiTokens),
            ["api-tokens", "new"] => Some(Self::NewApiToken),
            ["api-tokens", id, "revoke"] => Some(Self::RevokeApiToken(number(id)?)),
            ["history"] => Some(Self::History),
            ["style.css"] => Some(Self::Style),
            ["icon.svg"] => Some(Self::Icon),
            _ => None,
        }
    }

    /// Whether it has a page (GET).
    pub(super) fn shows(self) -> bool {
        match self {
            Self::SignOut | Self::Key(_) | Self::EndSession | Self::EndSessions | Self::SignInCode => false,
            Self::WebhookAction(_, action) => action.asks(),
            _ => true,
        }
    }

    /// Whether it is the target of a form (POST).
    pub(super) fn acts(self) -> bool {
        matches!(
            self,
            Self::SignIn
                | Self::SignInCode
                | Self::SignOut
                | Self::SetPassword
                | Self::EndSession
                | Self::EndSessions
                | Self::SecondFactor
                | Self::RemoveSecondFactor
                | Self::RecoveryCodes
                | Self::NewUser
                | Self::UserAction(..)
                | Self::Password
                | Self::NewLicense
                | Self::BulkChange
                | Self::Key(_)
                | Self::LicenseAction(..)
                | Self::NewWebhook
                | Self::WebhookAction(..)
                | Self::NewApiToken
                | Self::RevokeApiToken(_)
        )
    }

    /// Whether its form contains a secret that can be guessed: a password, a code, or the token of a link.
    pub(super) fn checks_secret(self) -> bool {
        let is_own =
            matches!(self, Self::Password | Self::SecondFactor | Self::RemoveSecondFactor | Self::RecoveryCodes);
        is_own || matches!(self, Self::SignIn | Self::SignInCode | Self::SetPassword)
    }

    /// Whether its form makes a link that is sent by mail.
    pub(super) fn sends_mail(self) -> bool {
        matches!(self, Self::NewUser | Self::UserAction(_, UserAction::Link))
    }

    /// The first page of a user after signing in.
    pub(super) const fn landing(is_administrator: bool) -> Self {
        if is_administrator { Self::Overview } else { Self::Licenses }
    }

    /// The value of the `Allow` header.
    pub(super) fn methods(self) -> &'static str {
        match (self.shows(), self.acts()) {
            (true, true) => "GET, HEAD, POST",
            (true, false) => "GET, HEAD",
            (false, _) => "POST",
        }
    }

    /// Whether it is only for administrators.
    pub(super) fn is_for_administrators(self) -> bool {
        match self {
            Self::Overview | Self::NewLicense | Self::BulkChange | Self::Plans | Self::History => true,
            Self::Users | Self::NewUser | Self::User(_) | Self::UserAction(..) => true,
            Self::Webhooks | Self::NewWebhook | Self::Webhook(_) | Self::WebhookAction(..) => true,
            Self::ApiTokens | Self::NewApiToken | Self::RevokeApiToken(_) => true,
            Self::LicenseAction(_, license_action) => matches!(license_action.target, ActionTarget::License { .. }),
            _ => false,
        }
    }

    /// The page to return to after signing in or after an error.
    pub(super) fn return_page(self) -> Self {
        match self {
            Self::License(id) | Self::Key(id) | Self::LicenseAction(id, _) => Self::License(id),
            Self::Webhook(id) | Self::WebhookAction(id, _) => Self::Webhook(id),
            Self::ApiTokens | Self::NewApiToken => self,
            Self::RevokeApiToken(_) => Self::ApiTokens,
            Self::NewLicense | Self::Plans | Self::Webhooks | Self::NewWebhook | Self::History | Self::Password => self,
            Self::Overview => self,
            Self::Account | Self::SecondFactor | Self::Users | Self::NewUser | Self::User(_) => self,
            Self::RemoveSecondFactor | Self::RecoveryCodes => Self::SecondFactor,
            Self::EndSession | Self::EndSessions => Self::Account,
            Self::UserAction(id, _) => Self::User(id),
            _ => Self::Licenses,
        }
    }
}

/// A license number in canonical form: no sign, no leading zeros.
fn number(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Home => formatter.write_str("/"),
            Self::Overview => formatter.write_str("/overview"),
            Self::SignIn => formatter.write_str("/sign-in"),
            Self::SignInCode => formatter.write_str("/sign-in/code"),
            Self::SignOut => formatter.write_str("/sign-out"),
            Self::SetPassword => formatter.write_str("/set-password"),
            Self::Account => formatter.write_str("/account"),
            Self::EndSession => formatter.write_str("/account/end-session"),
            Self::EndSessions => formatter.write_str("/account/end-sessions"),
            Self::SecondFactor => formatter.write_str("/second-factor"),
            Self::RemoveSecondFactor => formatter.write_str("/second-factor/remove"),
            Self::RecoveryCodes => formatter.write_str("/second-factor/recovery-codes"),
            Self::Users => formatter.write_str("/users"),
            Self::NewUser => formatter.write_str("/users/new"),
            Self::User(id) => write!(formatter, "/users/{id}"),
            Self::UserAction(id, action) => write!(formatter, "/users/{id}/{}", action.as_str()),
            Self::Password => formatter.write_str("/password"),
            Self::Licenses => formatter.write_str("/licenses"),
            Self::LicensesCsv => formatter.write_str("/licenses/csv"),
            Self::BulkChange => formatter.write_str("/licenses/bulk"),
            Self::NewLicense => formatter.write_str("/licenses/new"),
            Self::License(id) => write!(formatter, "/licenses/{id}"),
            Self::Key(id) => write!(formatter, "/licenses/{id}/key"),
            Self::LicenseAction(id, license_action) => write!(formatter, "/licenses/{id}/{}", license_action.name),
            Self::Plans => formatter.write_str("/plans"),
            Self::Webhooks => formatter.write_str("/webhooks"),
            Self::NewWebhook => formatter.write_str("/webhooks/new"),
            Self::Webhook(id) => write!(formatter, "/webhooks/{id}"),
            Self::WebhookAction(id, action) => write!(formatter, "/webhooks/{id}/{}", action.name()),
            Self::ApiTokens => formatter.write_str("/api-tokens"),
            Self::NewApiToken => formatter.write_str("/api-tokens/new"),
            Self::RevokeApiToken(id) => write!(formatter, "/api-tokens/{id}/revoke"),
            Self::History => formatter.write_str("/history"),
            Self::Style => formatter.write_str("/style.css"),
            Self::Icon => formatter.write_str("/icon.svg"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Action;

    #[test]
    fn every_route_is_found_by_its_own_path() {
        let mut routes = vec![
            Route::Home,
            Route::Overview,
            Route::SignIn,
            Route::SignOut,
            Route::Password,
            Route::SignInCode,
            Route::SetPassword,
            Route::Account,
            Route::EndSession,
            Route::EndSessions,
            Route::SecondFactor,
            Route::RemoveSecondFactor,
            Route::RecoveryCodes,
            Route::Users,
            Route::NewUser,
            Route::User(7),
            Route::UserAction(7, UserAction::Delete),
            Route::Licenses,
            Route::LicensesCsv,
            Route::BulkChange,
            Route::NewLicense,
            Route::License(7),
            Route::License(i64::MAX),
            Route::Key(7),
            Route::Plans,
            Route::Webhooks,
            Route::NewWebhook,
            Route::Webhook(7),
            Route::ApiTokens,
            Route::NewApiToken,
            Route::RevokeApiToken(7),
            Route::History,
            Route::Style,
            Route::Icon,
        ];
        routes.extend(license_actions().map(|license_action| Route::LicenseAction(12, license_action)));
        for route in routes {
            assert_eq!(Route::find(&route.to_string()), Some(route), "{route}");
            assert!(route.shows() || route.acts());
        }
    }

    #[test]
    fn every_action_has_its_page() {
        let has_no_action_page = |action: &Action| {
            match action {
                // The server records these itself.
                Action::Activated | Action::Paired | Action::Separated | Action::Forgotten | Action::ClockStepped => {
                    true
                }
                // These have their own pages.
                Action::Created | Action::KeyShown | Action::PasswordChanged => true,
                // These are available only on the command line.
                Action::BillingChanged | Action::PlanSet | Action::KeysChanged | Action::Restored => true,
                // These are about users, not licenses.
                Action::UserAdded | Action::UserChanged | Action::UserDisabled | Action::UserEnabled => true,
                Action::UserDeleted | Action::UserInvited | Action::PasswordLinkMade | Action::SessionsEnded => true,
                Action::SecondFactorAdded | Action::SecondFactorRemoved | Action::RecoveryCodeUsed => true,
                Action::RecoveryCodesMade => true,
                Action::TokenAdded | Action::TokenRevoked | Action::Transferred => true,
                Action::WebhookAdded | Action::WebhookRemoved | Action::WebhookRotated => true,
                _ => false,
            }
        };
        for action in Action::ALL.iter().filter(|action| !has_no_action_page(action)) {
            assert!(
                license_actions().any(|license_action| license_action.history_action == *action),
                "no page for the action “{}”",
                action.as_str()
            );
        }
    }

    #[test]
    fn no_other_path_is_found() {
        let paths = [
            "",
            "licenses",
            "//",
            "/licenses/",
            "/licenses/0",
            "/licenses/-1",
            "/licenses/+1",
            "/licenses/01",
            "/licenses/9223372036854775808",
            "/licenses/1/",
            "/licenses/1/fly",
            "/licenses/1/revoke/2",
            "/Licenses",
            "/sign-in/",
            "//evil.example.com",
            "/\\evil.example.com",
            "https://evil.example.com/licenses",
        ];
        for path in paths {
            assert_eq!(Route::find(path), None, "{path}");
        }
    }
}
